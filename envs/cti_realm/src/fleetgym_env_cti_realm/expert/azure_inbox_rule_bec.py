"""Hunting inbox rules that an intruder hides answers with."""

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

_FOLDERS = (
    "RSS Feeds",
    "RSS Subscriptions",
    "Conversation History",
    "Sync Issues",
    "Notes",
    "Journal",
)

# Rules that mark messages as read and delete them or move them where nobody looks.
_HIDING = f"""OfficeActivity
| where Operation in ("New-InboxRule", "Set-InboxRule")
| where Parameters has "MarkAsRead" and Parameters contains '"MarkAsRead","Value":"True"'
| where Parameters contains '"DeleteMessage","Value":"True"'
    or Parameters matches regex @'"MoveToFolder","Value":"({"|".join(_FOLDERS)})"'"""

_HOW_MANY = f"""{_HIDING}
| summarize Rules = count(), Users = dcount(UserId), Addresses = dcount(ClientIP) by Operation"""

# Of these, the ones from an address where no registered device of the user signed in, and where
# the user was never seen until shortly before.
_STRANGE = f"""let seen = SignInLogs
| where ResultType == "0"
| summarize FirstSeen = min(TimeGenerated),
    Registered = countif(isnotempty(tostring(DeviceDetail.deviceId)))
    by UserId = UserPrincipalName, ClientIP = IPAddress;
{_HIDING}
| summarize Rules = count(), FirstRule = min(TimeGenerated) by UserId, ClientIP
| join kind=inner seen on UserId, ClientIP
| where Registered == 0 and FirstSeen < FirstRule and FirstSeen > FirstRule - 4h
| project UserId, ClientIP, Rules, FirstSeen, FirstRule
| order by FirstSeen asc"""


def hunt() -> Hunt:
    """Ask for address, device and effect of a rule at once, as the report does."""
    yield from look_at("SignInLogs", "OfficeActivity")
    yield from kql(_HOW_MANY)
    strange = yield from kql(_STRANGE)
    users = sorted({row["UserId"] for row in strange})
    addresses = sorted({row["ClientIP"] for row in strange})
    query = f"""{_HIDING}
| where UserId in {kql_list(users)} and ClientIP in {kql_list(addresses)}
| project TimeGenerated, SourceRecordId, UserId, ClientIP, Operation, OfficeObjectId, Parameters"""
    results = yield from kql(query)
    return Detection(query=query, results=results, rule=_rule(users, addresses))


def _rule(users: Sequence[str], addresses: Sequence[str]) -> Rule:
    session = {
        "Operation": ["New-InboxRule", "Set-InboxRule"],
        "UserId": list(users),
        "ClientIP": list(addresses),
        "Parameters|contains": '"MarkAsRead","Value":"True"',
    }
    folders = [f'"MoveToFolder","Value":"{folder}"' for folder in _FOLDERS]
    hidden = {"Parameters|contains": ['"DeleteMessage","Value":"True"', *folders]}
    return Rule(
        title="Inbox Rules That Hide Messages, Set From an Unknown Device at a New Address",
        description="A rule marks messages as read and hides them. It comes from an address that "
        "is new to the user, where no registered device was seen.",
        logsource={"product": "m365", "service": "exchange"},
        detection={"session": session, "hidden": hidden, "condition": "session and hidden"},
        tactics=("defense-evasion", "collection"),
        techniques=("T1078.004", "T1564.008", "T1114.003"),
    )
