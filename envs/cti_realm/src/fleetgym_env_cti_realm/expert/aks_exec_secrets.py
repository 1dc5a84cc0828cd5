"""Hunting tokens that were printed in a pod and used elsewhere to read secrets."""

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
    from collections.abc import Mapping, Sequence

__all__ = ["hunt"]

# Pods in which somebody printed the token of the service account.
_PRINTED = """union AKSAudit, AKSAuditAdmin
| where Verb == "create" and tostring(ObjectRef.subresource) == "exec"
| where RequestUri contains "secrets%2Fkubernetes.io%2Fserviceaccount"
| summarize Printed = min(TimeGenerated), Usernames = make_set(tostring(User.username))
    by Type, Namespace = tostring(ObjectRef.namespace), Pod = tostring(ObjectRef.name)
| order by Type asc
| take 10"""

# From where the accounts of these pods asked for secrets, and since when they are seen there.
_ADDRESSES = """AKSAudit
| extend Account = tostring(User.username), Address = tostring(SourceIps[0])
| where Account in {accounts}
| summarize FirstSeen = min(TimeGenerated), Secrets = countif(
    tostring(ObjectRef.resource) == "secrets" and Verb in ("get", "list")
  ) by Account, Address
| where Secrets > 0
| order by FirstSeen desc"""


def hunt() -> Hunt:
    """Compare when a token was printed with when its account moved."""
    yield from look_at("AKSAudit", "AKSAuditAdmin")
    pods = yield from kql(_PRINTED)
    printed: dict[str, str] = {}
    for row in pods:
        # Accounts are named after the deployment: the pod's name without its two suffixes.
        workload = row["Pod"].rsplit("-", 2)[0]
        account = f"system:serviceaccount:{row['Namespace']}:{workload}"
        printed[account] = min(row["Printed"], printed.get(account, row["Printed"]))
    seen = yield from kql(_ADDRESSES.format(accounts=kql_list(sorted(printed))))
    moved = [row for row in seen if row["FirstSeen"] > printed[row["Account"]]]
    stolen = sorted({row["Account"] for row in moved})
    addresses = sorted({row["Address"] for row in moved})
    query = _query(stolen, addresses)
    results = yield from kql(query)
    return Detection(query=query, results=results, rule=_rule(stolen, addresses))


def _query(accounts: Sequence[str], addresses: Sequence[str]) -> str:
    return f"""AKSAudit
| where tostring(ObjectRef.resource) == "secrets" and Verb in ("get", "list")
| extend Account = tostring(User.username), Address = tostring(SourceIps[0])
| where Account in {kql_list(accounts)} and Address in {kql_list(addresses)}
| project TimeGenerated, AuditId, Account, SourceIps, UserAgent, Verb, RequestUri, \
Code = toint(ResponseStatus.code)"""


def _rule(accounts: Sequence[str], addresses: Sequence[str]) -> Rule:
    selection: Mapping[str, object] = {
        "ObjectRef.resource": "secrets",
        "Verb": ["get", "list"],
        "User.username": list(accounts),
        "SourceIps": list(addresses),
    }
    return Rule(
        title="Secrets Read With a Service Account Token Taken Out of Its Pod",
        description="A service account asks for secrets from an address that is new since its "
        "token was printed in a pod.",
        logsource={"product": "kubernetes", "service": "audit"},
        detection={"selection": selection, "condition": "selection"},
        tactics=("credential-access", "execution"),
        techniques=("T1609", "T1528", "T1552.007"),
    )
