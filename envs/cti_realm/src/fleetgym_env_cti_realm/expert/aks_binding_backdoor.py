"""Hunting service accounts that were bound to every right and are used from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym_env_cti_realm.expert.craft import (
    Detection,
    Hunt,
    Row,
    Rule,
    kql,
    kql_list,
    kql_text,
    look_at,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["hunt"]

# Roles that had dangerous rules at any time, by cluster.
_ROLES = r"""union AKSAudit, AKSAuditAdmin
| where tostring(ObjectRef.resource) in ("clusterroles", "roles")
| where Verb in ("create", "patch", "update")
| extend Rules = tostring(RequestObject.rules)
| where Rules matches regex @'"resources":\["\*"\],"verbs":\["\*"\]'
    or Rules matches regex @'"(escalate|bind|impersonate)"'
| distinct _ResourceId, Role = tostring(ObjectRef.name)"""

# Accounts bound to these or to the built-in ones, by cluster and role.
_BOUND = f"""let dangerous = {_ROLES};
let bindings = union AKSAudit, AKSAuditAdmin
| where tostring(ObjectRef.resource) in ("clusterrolebindings", "rolebindings")
| where Verb in ("create", "patch", "update")
| project _ResourceId, Role = tostring(RequestObject.roleRef.name), \
Namespace = tostring(RequestObject.subjects[0].namespace), \
Name = tostring(RequestObject.subjects[0].name);
let tokens = union AKSAudit, AKSAuditAdmin
| where Verb == "create" and tostring(ObjectRef.resource) == "serviceaccounts"
| where tostring(ObjectRef.subresource) == "token"
| where not(tostring(User.username) startswith "system:node:")
| distinct _ResourceId, Namespace = tostring(ObjectRef.namespace), Name = tostring(ObjectRef.name);
let outside = union AKSAudit, AKSAuditAdmin
| where tostring(User.username) startswith "system:serviceaccount:"
| where not(ipv4_is_private(tostring(SourceIps[0])))
| extend Parts = split(tostring(User.username), ":")
| distinct _ResourceId, Type, Namespace = tostring(Parts[2]), Name = tostring(Parts[3]);
"""

_STOLEN = f"""{_BOUND}bindings
| join kind=leftouter (dangerous | extend Own = 1) on _ResourceId, Role
| where Own == 1 or Role in ("cluster-admin", "admin")
| join kind=inner tokens on _ResourceId, Namespace, Name
| join kind=inner outside on _ResourceId, Namespace, Name
| summarize Bindings = count() by Type, _ResourceId, Namespace, Name, Role
| order by Bindings desc"""


def hunt() -> Hunt:
    """Ask for dangerous roles, tokens by request and use from outside at once."""
    yield from look_at("AKSAudit", "AKSAuditAdmin")
    yield from kql(_ROLES)
    stolen = yield from kql(_STOLEN)
    query = _query(stolen)
    results = yield from kql(query)
    return Detection(query=query, results=results, rule=_rule(stolen))


def _query(stolen: Sequence[Row]) -> str:
    parts = " or ".join(
        f"(Namespace == {kql_text(row['Namespace'])} and Name == {kql_text(row['Name'])}"
        f" and Role == {kql_text(row['Role'])})"
        for row in stolen
    )
    clusters = kql_list(sorted({row["_ResourceId"] for row in stolen}))
    return f"""{stolen[0]["Type"]}
| where _ResourceId in {clusters} and Verb in ("create", "patch", "update")
| where tostring(ObjectRef.resource) in ("clusterrolebindings", "rolebindings")
| extend Role = tostring(RequestObject.roleRef.name), \
Namespace = tostring(RequestObject.subjects[0].namespace), \
Name = tostring(RequestObject.subjects[0].name)
| where {parts}
| project TimeGenerated, AuditId, Username = tostring(User.username), SourceIps, UserAgent, Verb, \
RequestUri, RequestObject"""


def _rule(stolen: Sequence[Row]) -> Rule:
    bindings = {
        "ObjectRef.resource": ["clusterrolebindings", "rolebindings"],
        "Verb": ["create", "patch", "update"],
        "_ResourceId": sorted({row["_ResourceId"] for row in stolen}),
    }
    accounts = {
        f"account{number}": {
            "RequestObject.subjects.namespace": row["Namespace"],
            "RequestObject.subjects.name": row["Name"],
            "RequestObject.roleRef.name": row["Role"],
        }
        for number, row in enumerate(stolen)
    }
    return Rule(
        title="Service Account Used From Outside Is Bound to a Dangerous Role",
        description="A service account whose token was asked for, and which acts from a public "
        "address, is bound to a role that gives the cluster away.",
        logsource={"product": "kubernetes", "service": "audit"},
        detection={
            "bindings": bindings,
            **accounts,
            "condition": "bindings and 1 of account*",
        },
        tactics=("persistence", "privilege-escalation"),
        techniques=("T1098.006", "T1550.001"),
    )
