"""Hunting blobs fetched with keys that were listed from an unfamiliar place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym_env_cti_realm.expert.craft import (
    Detection,
    Hunt,
    Rule,
    kql,
    kql_list,
    look_at,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["hunt"]

# Accounts whose keys a person listed from another address than their usual one.
_LISTED = """let usual = AzureActivity
| where Caller contains "@"
| summarize Operations = count() by Caller, CallerIpAddress
| summarize arg_max(Operations, CallerIpAddress) by Caller
| project Caller, Usual = CallerIpAddress;
AzureActivity
| where OperationNameValue =~ "MICROSOFT.STORAGE/STORAGEACCOUNTS/LISTKEYS/ACTION"
| where ActivityStatusValue == "Success"
| join kind=inner usual on Caller
| where CallerIpAddress != Usual
| summarize Listed = min(TimeGenerated), Callers = make_set(Caller) by Account = Resource
| order by Listed asc"""

# Public addresses that read there with the key, and since when they are seen.
_READERS = """StorageBlobLogs
| where AccountName in {accounts}
| extend Address = tostring(split(CallerIpAddress, ":")[0])
| where not(ipv4_is_private(Address))
| summarize FirstSeen = min(TimeGenerated), Fetched = countif(
    OperationName == "GetBlob" and AuthenticationType == "AccountKey"
  ) by AccountName, Address
| where Fetched > 0
| order by FirstSeen desc"""


def hunt() -> Hunt:
    """Find the accounts, then the readers that are new since their keys were listed."""
    yield from look_at("AzureActivity", "StorageBlobLogs")
    listings = yield from kql(_LISTED)
    listed = {row["Account"]: row["Listed"] for row in listings}
    readers = yield from kql(_READERS.format(accounts=kql_list(sorted(listed))))
    thieves = [row for row in readers if row["FirstSeen"] > listed[row["AccountName"]]]
    accounts = sorted({row["AccountName"] for row in thieves})
    addresses = sorted({row["Address"] for row in thieves})
    query = _query(accounts, addresses)
    results = yield from kql(query)
    return Detection(query=query, results=results, rule=_rule(accounts, addresses))


def _query(accounts: Sequence[str], addresses: Sequence[str]) -> str:
    return f"""StorageBlobLogs
| where OperationName == "GetBlob" and AuthenticationType == "AccountKey"
| where AccountName in {kql_list(accounts)}
| where tostring(split(CallerIpAddress, ":")[0]) in {kql_list(addresses)}
| project TimeGenerated, CorrelationId, AccountName, OperationName, CallerIpAddress, Uri, \
StatusCode, ResponseBodySize, UserAgentHeader"""


def _rule(accounts: Sequence[str], addresses: Sequence[str]) -> Rule:
    return Rule(
        title="Blobs Fetched With a Storage Account Key Listed From an Unfamiliar Place",
        description="A public address that is new since the account's keys were listed fetches "
        "blobs with the key.",
        logsource={"product": "azure", "service": "storagebloblogs"},
        detection={
            "selection": {
                "OperationName": "GetBlob",
                "AuthenticationType": "AccountKey",
                "AccountName": list(accounts),
                "CallerIpAddress|startswith": [f"{address}:" for address in addresses],
            },
            "condition": "selection",
        },
        tactics=("collection", "discovery"),
        techniques=("T1530", "T1619", "T1078.004"),
    )
