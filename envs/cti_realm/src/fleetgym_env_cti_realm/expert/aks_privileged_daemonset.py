"""Hunting DaemonSets that give their nodes to an intruder."""

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

# Registries that the clusters' deployments come from.
_REGISTRIES = """union AKSAudit, AKSAuditAdmin
| where tostring(ObjectRef.resource) == "deployments" and isnotempty(RequestObject)
| extend Image = tostring(RequestObject.spec.template.spec.containers[0].image)
| where isnotempty(Image)
| summarize Uses = count() by Registry = tostring(split(Image, "/")[0])
| top 10 by Uses"""

# Made by hand, privileged, with a directory of the host that gives the node away.
_SETS = """union AKSAudit, AKSAuditAdmin
| where tostring(ObjectRef.resource) == "daemonsets" and Verb == "create"
| where UserAgent matches regex @"^(kubectl|curl|python|Go-http-client|Wget)"
| extend Template = RequestObject.spec.template.spec
| extend Image = tostring(Template.containers[0].image)
| where tostring(Template) contains '"privileged":true'
| where tostring(Template.volumes) matches regex \
@'"path":"/(etc|root|proc|var/lib/kubelet|var/run|run)?"'
| where not(Image startswith "mcr.microsoft.com/") and not(tostring(split(Image, "/")[0]) in {own})
| project TimeGenerated, Type, _ResourceId, Namespace = tostring(ObjectRef.namespace), \
Name = tostring(ObjectRef.name), Image, Username = tostring(User.username), UserAgent
| order by TimeGenerated asc"""


def hunt() -> Hunt:
    """Find the DaemonSets by the report's three properties, then follow their names."""
    yield from look_at("AKSAudit", "AKSAuditAdmin")
    registries = yield from kql(_REGISTRIES)
    own = [row["Registry"] for row in registries]
    sets = yield from kql(_SETS.format(own=kql_list(own)))
    query = _query(sets)
    results = yield from kql(query)
    return Detection(query=query, results=results, rule=_rule(sets))


def _query(sets: Sequence[Row]) -> str:
    table, cluster = sets[0]["Type"], sets[0]["_ResourceId"]
    parts = " or ".join(
        f"(Namespace == {kql_text(row['Namespace'])} and Owner == {kql_text(row['Name'])})"
        for row in sets
    )
    return f"""{table}
| where _ResourceId == {kql_text(cluster)} and Verb in ("create", "patch", "update")
| extend Resource = tostring(ObjectRef.resource), Namespace = tostring(ObjectRef.namespace)
| where Resource in ("daemonsets", "pods") and isempty(tostring(ObjectRef.subresource))
| extend Owner = iff(Resource == "pods", \
trim_end("-", tostring(RequestObject.metadata.generateName)), tostring(ObjectRef.name))
| where {parts}
| project TimeGenerated, AuditId, Username = tostring(User.username), UserAgent, Verb, RequestUri, \
RequestObject"""


def _rule(sets: Sequence[Row]) -> Rule:
    where = {
        "ObjectRef.namespace": sorted({row["Namespace"] for row in sets}),
        "_ResourceId": sorted({row["_ResourceId"] for row in sets}),
    }
    return Rule(
        title="Privileged DaemonSet of a Foreign Image Made by Hand",
        description="A DaemonSet that owns its nodes is created, changed or rolled out.",
        logsource={"product": "kubernetes", "service": "audit"},
        detection={
            "set": {
                **where,
                "ObjectRef.resource": "daemonsets",
                "ObjectRef.name": [row["Name"] for row in sets],
                "Verb": ["create", "patch", "update"],
            },
            "pod": {
                **where,
                "ObjectRef.resource": "pods",
                "Verb": "create",
                "RequestObject.metadata.generateName": [f"{row['Name']}-" for row in sets],
            },
            "condition": "set or pod",
        },
        tactics=("execution", "privilege-escalation", "impact"),
        techniques=("T1610", "T1611", "T1496.001"),
    )
