"""Hunting secrets read by identities that granted themselves the right."""

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

# Successful grants with the object ids of who granted and who benefits.
_GRANTS = r"""AzureActivity
| where OperationNameValue in~ ("MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE", \
"MICROSOFT.KEYVAULT/VAULTS/ACCESSPOLICIES/WRITE")
| where ActivityStatusValue == "Success" and Properties has "requestbody"
| extend Granting = extract(@'objectidentifier":"([0-9a-f-]{36})', 1, Claims),
    Beneficiary = extract(@'(objectId|principalId)\W+([0-9a-f-]{36})', 2, Properties)""".replace(
    "\\\n", ""
)

_HOW_MANY = f"""{_GRANTS}
| summarize Grants = count(), Beneficiaries = dcount(Beneficiary)
    by Itself = Granting == Beneficiary"""

# Where identities that granted themselves a right asked vaults, and since when.
_READERS = f"""let granted = {_GRANTS}
| where Granting == Beneficiary
| summarize Granted = min(TimeGenerated) by ObjectId = Beneficiary;
AzureDiagnostics
| where Category == "AuditEvent"
| summarize FirstSeen = min(TimeGenerated), Fetched = countif(OperationName == "SecretGet")
    by ObjectId = identity_claim_oid_g, Address = CallerIPAddress
| join kind=inner granted on ObjectId
| where FirstSeen > Granted and Fetched > 0
| project ObjectId, Address, Granted, FirstSeen, Fetched
| order by FirstSeen asc"""


def hunt() -> Hunt:
    """Find self-made grants, then the addresses that are new since."""
    yield from look_at("AzureActivity", "AzureDiagnostics")
    yield from kql(_HOW_MANY)
    readers = yield from kql(_READERS)
    identities = sorted({row["ObjectId"] for row in readers})
    addresses = sorted({row["Address"] for row in readers})
    query = f"""AzureDiagnostics
| where Category == "AuditEvent" and OperationName == "SecretGet"
| where identity_claim_oid_g in {kql_list(identities)}
| where CallerIPAddress in {kql_list(addresses)}
| project TimeGenerated, CorrelationId, Resource, OperationName, identity_claim_oid_g, \
CallerIPAddress, id_s, httpStatusCode_d, clientInfo_s"""
    results = yield from kql(query)
    return Detection(query=query, results=results, rule=_rule(identities, addresses))


def _rule(identities: Sequence[str], addresses: Sequence[str]) -> Rule:
    return Rule(
        title="Secrets Fetched by an Identity That Granted Itself Access",
        description="An identity that gave itself a right to a key vault fetches secrets from an "
        "address at which it asked no vault before.",
        logsource={"product": "azure", "service": "azurediagnostics"},
        detection={
            "selection": {
                "OperationName": "SecretGet",
                "identity_claim_oid_g": list(identities),
                "CallerIPAddress": list(addresses),
            },
            "condition": "selection",
        },
        tactics=("credential-access", "persistence"),
        techniques=("T1555.006", "T1098.003", "T1078.004"),
    )
