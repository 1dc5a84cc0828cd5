"""Hunting applications that an intruder signs in as with a key of their own."""

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

# Applications to which persons added keys, and the keys before and after.
_ADDED = """AuditLogs
| where OperationName has_any ("secrets management", "Add service principal credentials")
| where isnotempty(tostring(InitiatedBy.user.userPrincipalName)) and Result == "success"
| mv-expand Property = TargetResources[0].modifiedProperties
| where tostring(Property.displayName) == "KeyDescription"
| project Added = TimeGenerated, App = tostring(TargetResources[0].displayName), \
Old = tostring(Property.oldValue), New = tostring(Property.newValue)"""

# Sign-ins with such a key from addresses that are new since.
_USED = f"""let added = {_ADDED};
let seen = AADServicePrincipalSignInLogs
| summarize FirstSeen = min(TimeGenerated) by AppId, IPAddress;
AADServicePrincipalSignInLogs
| join kind=inner added on $left.ServicePrincipalName == $right.App
| where New contains ServicePrincipalCredentialKeyId and not(Old contains \
ServicePrincipalCredentialKeyId)
| summarize Added = min(Added) by AppId, App, IPAddress, KeyId = ServicePrincipalCredentialKeyId
| join kind=inner seen on AppId, IPAddress
| where FirstSeen > Added
| project AppId, App, IPAddress, KeyId, Added, FirstSeen"""

# What these asked Microsoft Graph for.
_ASKED = r"""MicrosoftGraphActivityLogs
| where AppId in {apps} and IPAddress in {addresses}
| summarize Requests = count(), Collections = countif(
    RequestMethod == "GET" and RequestUri matches regex \
@"/(v1\.0|beta)/(users|groups|applications|servicePrincipals|directoryRoles|organization|domains\
|roleManagement/directory/\w+|oauth2PermissionGrants|identity/conditionalAccess/\w+)(\?|$)"
  ) by AppId, IPAddress
| where Collections > 0
| order by Collections desc""".replace("\\\n", "")


def hunt() -> Hunt:
    """Join the three logs as the report does, and keep what asks for whole collections."""
    yield from look_at("AuditLogs", "AADServicePrincipalSignInLogs", "MicrosoftGraphActivityLogs")
    used = yield from kql(_USED)
    asked = yield from kql(
        _ASKED.format(
            apps=kql_list(sorted({row["AppId"] for row in used})),
            addresses=kql_list(sorted({row["IPAddress"] for row in used})),
        )
    )
    pairs = {(row["AppId"], row["IPAddress"]) for row in used}
    abused = [row for row in asked if (row["AppId"], row["IPAddress"]) in pairs]
    apps = sorted({row["AppId"] for row in abused})
    addresses = sorted({row["IPAddress"] for row in abused})
    query = f"""MicrosoftGraphActivityLogs
| where AppId in {kql_list(apps)} and IPAddress in {kql_list(addresses)}
| project TimeGenerated, RequestId, AppId, IPAddress, RequestMethod, RequestUri, \
ResponseStatusCode, UserAgent"""
    results = yield from kql(query)
    return Detection(query=query, results=results, rule=_rule(apps, addresses))


def _rule(apps: Sequence[str], addresses: Sequence[str]) -> Rule:
    return Rule(
        title="Directory Enumerated as an Application With an Added Credential",
        description="Microsoft Graph serves an application at an address where it signed in with "
        "a key that a person had just added.",
        logsource={"product": "azure", "service": "microsoftgraphactivitylogs"},
        detection={
            "selection": {"AppId": list(apps), "IPAddress": list(addresses)},
            "condition": "selection",
        },
        tactics=("persistence", "discovery"),
        techniques=("T1098.001", "T1078.004", "T1087.004"),
    )
