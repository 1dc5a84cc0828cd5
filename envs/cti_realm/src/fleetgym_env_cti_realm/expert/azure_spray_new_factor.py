"""Hunting accounts whose password was guessed and whose second factor is an intruder's."""

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

# Addresses at which many accounts had a wrong password and next to none a right one.
_GUESSING = """SignInLogs
| summarize Failures = countif(ResultType == "50126"), Successes = countif(ResultType == "0"),
    Accounts = dcountif(UserPrincipalName, ResultType == "50126") by IPAddress
| where Accounts >= 5 and Successes * 4 < Failures
| order by Accounts desc"""

# Accounts whose password proved right there, which registered a factor at an address that is new
# since.
_TAKEN = """let hits = SignInLogs
| where IPAddress in {addresses} and ResultType in ("50074", "50076", "53003")
| summarize Hit = min(TimeGenerated) by Account = UserPrincipalName;
let seen = SignInLogs
| where ResultType == "0"
| summarize FirstSeen = min(TimeGenerated) by Account = UserPrincipalName, Address = IPAddress;
AuditLogs
| where OperationName == "User registered security info" and Result == "success"
| extend Account = tostring(InitiatedBy.user.userPrincipalName), \
Address = tostring(InitiatedBy.user.ipAddress)
| summarize Registered = min(TimeGenerated) by Account, Address
| join kind=inner hits on Account
| join kind=inner seen on Account, Address
| where FirstSeen > Hit
| project Account, Address, Hit, FirstSeen, Registered
| order by Hit asc"""


def hunt() -> Hunt:
    """Find who guesses, whose password was right, and where a factor was added since."""
    yield from look_at("SignInLogs", "AuditLogs")
    guessing = yield from kql(_GUESSING)
    sources = kql_list(sorted({row["IPAddress"] for row in guessing}))
    taken = yield from kql(_TAKEN.format(addresses=sources))
    accounts = sorted({row["Account"] for row in taken})
    addresses = sorted({row["Address"] for row in taken})
    query = f"""SignInLogs
| where UserPrincipalName in {kql_list(accounts)}
| where IPAddress in {kql_list(addresses)} and ResultType == "0"
| project TimeGenerated, Id, UserPrincipalName, IPAddress, AppDisplayName, ResultType, UserAgent"""
    results = yield from kql(query)
    return Detection(query=query, results=results, rule=_rule(accounts, addresses))


def _rule(accounts: Sequence[str], addresses: Sequence[str]) -> Rule:
    return Rule(
        title="Sign-ins to a Guessed Account Where a Second Factor Was Registered",
        description="An account whose password was guessed signs in at a new address, at which "
        "security info was registered for it.",
        logsource={"product": "azure", "service": "signinlogs"},
        detection={
            "selection": {
                "UserPrincipalName": list(accounts),
                "IPAddress": list(addresses),
                "ResultType": "0",
            },
            "condition": "selection",
        },
        tactics=("credential-access", "persistence"),
        techniques=("T1110.003", "T1098.005", "T1078.004"),
    )
