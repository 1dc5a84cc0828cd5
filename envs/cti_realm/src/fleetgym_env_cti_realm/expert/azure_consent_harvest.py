"""Hunting applications that read mail and files after somebody consented to them."""

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

# Applications that came with a consent and were granted access for good.
_BROUGHT = """let brought = AuditLogs
| where OperationName == "Add service principal" and Result == "success"
| distinct CorrelationId;
AuditLogs
| where OperationName == "Consent to application" and Result == "success"
| where tostring(TargetResources) contains "offline_access"
| join kind=inner brought on CorrelationId
| extend AppId = extract(@'ServicePrincipalNames","newValue":"\\W*([0-9a-f-]{36})', 1, \
tostring(TargetResources))
| where isnotempty(AppId)
| project TimeGenerated, AppId, App = tostring(TargetResources[0].displayName), \
User = tostring(InitiatedBy.user.userPrincipalName)"""

# Where these read contents, other than where the person is signed in.
_READERS = """let own = SignInLogs
| where ResultType == "0"
| distinct UserId, IPAddress;
MicrosoftGraphActivityLogs
| where AppId in {apps}
| where RequestUri contains "/messages" or RequestUri contains "/drive/"
| join kind=leftanti own on UserId, IPAddress
| summarize Requests = count(), FirstSeen = min(TimeGenerated) by AppId, IPAddress
| order by FirstSeen asc"""


def hunt() -> Hunt:
    """Connect the three logs as the report does."""
    yield from look_at("AuditLogs", "SignInLogs", "MicrosoftGraphActivityLogs")
    brought = yield from kql(_BROUGHT)
    apps = kql_list(sorted({row["AppId"] for row in brought}))
    readers = yield from kql(_READERS.format(apps=apps))
    abused = sorted({row["AppId"] for row in readers})
    addresses = sorted({row["IPAddress"] for row in readers})
    query = f"""MicrosoftGraphActivityLogs
| where AppId in {kql_list(abused)} and IPAddress in {kql_list(addresses)}
| where RequestUri contains "/messages" or RequestUri contains "/drive/"
| project TimeGenerated, RequestId, AppId, UserId, IPAddress, RequestMethod, RequestUri, \
ResponseStatusCode, UserAgent"""
    results = yield from kql(query)
    return Detection(query=query, results=results, rule=_rule(abused, addresses))


def _rule(apps: Sequence[str], addresses: Sequence[str]) -> Rule:
    return Rule(
        title="Mail and Files Read by an Application That Came With a Consent",
        description="An application that a person brought in by consent, with access for good, "
        "reads mail or files at an address where the person is not.",
        logsource={"product": "azure", "service": "microsoftgraphactivitylogs"},
        detection={
            "selection": {
                "AppId": list(apps),
                "IPAddress": list(addresses),
                "RequestUri|contains": ["/messages", "/drive/"],
            },
            "condition": "selection",
        },
        tactics=("credential-access", "collection"),
        techniques=("T1528", "T1550.001", "T1114.002"),
    )
