"""Resource logs of key vaults and firewalls."""

from __future__ import annotations

from functools import partial
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING

import numpy as np

from fleetgym_estate.estate import Application, Employee
from fleetgym_estate.microsoft import FIRST_PARTY
from fleetgym_estate.telemetry import clock
from fleetgym_estate.telemetry.columns import constant, put
from fleetgym_estate.telemetry.draw import Array, each, guids, pick, stable
from fleetgym_estate.telemetry.identity import application, person, weighted

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Estate, KeyVault

__all__ = ["diagnostics_rows", "fill_diagnostics"]

# Weight, operation, status, what is addressed.
_BY_APP = (
    (60, "SecretGet", 200, "secret"),
    (10, "SecretListVersions", 200, "secret"),
    (6, "KeySign", 200, "key"),
    (6, "KeyUnwrap", 200, "key"),
    (8, "Authentication", 401, "vault"),
    (4, "SecretGet", 404, "secret"),
    (3, "SecretList", 200, "secrets"),
)
_BY_PERSON = (
    (20, "VaultGet", 200, "vault"),
    (16, "SecretList", 200, "secrets"),
    (12, "SecretGet", 200, "secret"),
    (5, "SecretSet", 200, "secret"),
    (4, "SecretGet", 403, "secret"),
    (3, "CertificateList", 200, "certificates"),
)
_BY_ROTATION = (
    (10, "SecretSet", 200, "secret"),
    (12, "SecretGet", 200, "secret"),
    (4, "SecretList", 200, "secrets"),
    (2, "SecretDisable", 200, "secret"),
)
_SDK = "azsdk-net-Security.KeyVault.Secrets/4.6.0 (.NET 8.0.7; Linux)"
_FIREWALL_SHARE = 0.15
_HOSTS = (
    "packages.microsoft.com",
    "mcr.microsoft.com",
    "login.microsoftonline.com",
    "management.azure.com",
    "security.ubuntu.com",
    "deb.debian.org",
    "registry.npmjs.org",
    "github.com",
)


def diagnostics_rows(estate: Estate, rng: Generator, rows: int) -> dict[str, Array]:
    """Return ``rows`` rows, unsorted."""
    walls = int(rows * _FIREWALL_SHARE)
    keys = rows - walls
    vaults = pick(rng, estate.key_vaults, keys)
    numbers = rng.integers(0, 1 << 40, keys).tolist()
    who = pick(rng, ("app", "person", "rotation"), keys, (78, 12, 10))
    callers = each(partial(_caller, estate), who, vaults, numbers)
    calls = each(_call, who, numbers)
    human = who == "person"
    times = np.where(human, clock.people(rng, estate, keys), clock.load(rng, estate, keys))
    ids = each(_address, vaults, calls, numbers)
    none = constant(None, walls)
    columns = {
        "TimeGenerated": np.concatenate([times, clock.load(rng, estate, walls)]),
        "Category": np.concatenate(
            [constant("AuditEvent", keys), constant("AzureFirewallApplicationRule", walls)]
        ),
        "ResourceId": np.concatenate([each(_upper_id, vaults), constant(_firewall(estate), walls)]),
        "OperationName": np.concatenate(
            [each(itemgetter(1), calls), constant("AzureFirewallApplicationRuleLog", walls)]
        ),
        "httpStatusCode_d": np.concatenate([each(itemgetter(2), calls), none]),
        "id_s": np.concatenate([ids, none]),
        "identity_claim_upn_s": np.concatenate([each(_upn, callers), none]),
        "identity_claim_appid_g": np.concatenate([each(_app_id, callers), none]),
        "identity_claim_oid_g": np.concatenate([each(attrgetter("object_id"), callers), none]),
        "msg_s": np.concatenate(
            [constant(None, keys), each(_message, rng.integers(0, 1 << 40, walls).tolist())]
        ),
    }
    fill_diagnostics(estate, rng, columns)
    return columns


def _caller(estate: Estate, who: str, vault: KeyVault, number: int) -> Application | Employee:
    if who == "person":
        return estate.administrators[number % len(estate.administrators)]
    if who == "rotation":
        return estate.applications_for("rotation")[0]
    return estate.application_by_id[vault.reader_app_ids[number % len(vault.reader_app_ids)]]


def _call(who: str, number: int) -> tuple[float, str, int, str]:
    options = {"app": _BY_APP, "person": _BY_PERSON}.get(who, _BY_ROTATION)
    weight, operation, status, what = weighted(options, number >> 5)
    return weight, operation, status, what


def _address(vault: KeyVault, call: tuple[float, str, int, str], number: int) -> str:
    """Return the URL of what is asked for."""
    root = f"https://{vault.name}.vault.azure.net"
    what = call[3]
    if what == "vault":
        return root
    if what in {"secrets", "certificates"}:
        return f"{root}/{what}"
    name = vault.secrets[(number >> 12) % len(vault.secrets)]
    return f"{root}/secrets/{name}" if what == "secret" else f"{root}/keys/signing/{number:032x}"


def _upper_id(vault: KeyVault) -> str:
    return vault.resource_id.upper()


def _firewall(estate: Estate) -> str:
    group = estate.resource_groups[0]
    return (
        f"/SUBSCRIPTIONS/{group.subscription_id}/RESOURCEGROUPS/{group.name}/PROVIDERS/"
        f"MICROSOFT.NETWORK/AZUREFIREWALLS/AFW-{estate.company}"
    ).upper()


def _message(number: int) -> str:
    source = f"10.224.0.{4 + number % 120}:{32_768 + (number >> 8) % 28_000}"
    host = _HOSTS[(number >> 24) % len(_HOSTS)]
    return (
        f"HTTPS request from {source} to {host}:443. Action: Allow. "
        "Rule Collection: egress. Rule: platform"
    )


def _upn(caller: Application | Employee) -> str | None:
    return caller.upn if isinstance(caller, Employee) else None


def _app_id(caller: Application | Employee) -> str:
    return caller.app_id if isinstance(caller, Application) else FIRST_PARTY["Azure Portal"]


def fill_diagnostics(estate: Estate, rng: Generator, columns: dict[str, Array]) -> None:
    """Add all columns that are missing, after those that are there."""
    n = len(columns["TimeGenerated"])
    put(columns, "Category", constant("AuditEvent", n))
    put(columns, "OperationName", constant("SecretGet", n))
    if "_ResourceId" in columns:
        put(columns, "ResourceId", each(str.upper, columns["_ResourceId"]))
    put(columns, "ResourceId", each(_upper_id, pick(rng, estate.key_vaults, n)))
    ids = columns["ResourceId"]
    put(columns, "_ResourceId", each(str.lower, ids))
    for name, place in _PARTS.items():
        put(columns, name, each(partial(_part, place), ids))
    vault = columns["Category"] == "AuditEvent"
    put(columns, "httpStatusCode_d", each(_if, vault, constant(200, n)))
    codes = columns["httpStatusCode_d"]
    _caller_columns(estate, rng, columns, vault)
    put(columns, "ResultType", each(_if, vault, constant("Success", n)))
    put(columns, "ResultSignature", each(_signature, codes))
    put(columns, "ResultDescription", each(_description, codes))
    put(columns, "id_s", each(_if, vault, each(_vault_url, columns["Resource"])))
    put(columns, "requestUri_s", each(_request_uri, columns["id_s"]))
    put(columns, "DurationMs", each(_if, vault, rng.integers(8, 160, n).tolist()))
    allowed = each(_allowed, codes)
    by_policy = each(_has_policies, columns["Resource"])
    put(columns, "isAccessPolicyMatch_b", each(_if, by_policy, allowed))
    put(columns, "isRbacAuthorized_b", each(_if, ~by_policy.astype(bool), allowed))
    put(columns, "tlsVersion_s", each(_if, vault, constant("TLS1_3", n)))
    put(columns, "CorrelationId", guids(rng, n))
    put(columns, "OperationVersion", each(_if, vault, constant("7.4", n)))
    for name, value in {
        "Level": "Informational",
        "SourceSystem": "Azure",
        "TenantId": estate.workspace_id,
        "Type": "AzureDiagnostics",
    }.items():
        put(columns, name, constant(value, n))


# Where in a resource's id each column is found.
_PARTS = {
    "SubscriptionId": 2,
    "ResourceGroup": 4,
    "ResourceProvider": 6,
    "ResourceType": 7,
    "Resource": 8,
}


def _part(place: int, resource_id: str) -> str:
    parts = resource_id.split("/")
    if place >= len(parts):
        return ""
    return parts[place].lower() if place == 2 else parts[place].upper()


def _if(holds: bool, value: object) -> object:
    return value if holds else None


def _caller_columns(
    estate: Estate, rng: Generator, columns: dict[str, Array], vault: Array
) -> None:
    n = len(vault)
    nothing = constant(None, n)
    drawn = pick(rng, estate.applications_for("service"), n)
    callers = each(
        partial(_who, estate),
        columns.get("identity_claim_upn_s", nothing),
        columns.get("identity_claim_oid_g", nothing),
        columns.get("identity_claim_appid_g", nothing),
        drawn,
    )
    numbers = rng.integers(0, 60, n).tolist()
    put(columns, "identity_claim_upn_s", each(_if, vault, each(_upn, callers)))
    put(columns, "identity_claim_oid_g", each(_if, vault, each(attrgetter("object_id"), callers)))
    put(columns, "identity_claim_appid_g", each(_if, vault, each(_app_id, callers)))
    put(columns, "CallerIPAddress", each(_if, vault, each(_ip, callers, numbers)))
    put(columns, "clientInfo_s", each(_if, vault, each(_client, callers)))


def _who(
    estate: Estate, upn: str | None, oid: str | None, app_id: str | None, drawn: Application
) -> Application | Employee:
    if upn:
        return person(estate, upn)
    key = oid or app_id
    return application(estate, key) if key else drawn


def _ip(caller: Application | Employee, number: int) -> str:
    return (
        caller.ips[number % len(caller.ips)] if isinstance(caller, Application) else caller.ips[0]
    )


def _client(caller: Application | Employee) -> str:
    return _SDK if isinstance(caller, Application) else caller.user_agent


def _signature(code: float | None) -> str | None:
    if code is None:
        return None
    return {200: "OK", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}.get(int(code), "OK")


def _description(code: float | None) -> str | None:
    if code == 403:
        return "Caller is not authorized to perform action on resource."
    return None


def _request_uri(address: str | None) -> str | None:
    return f"{address}?api-version=7.4" if address else None


def _vault_url(resource: str) -> str:
    return f"https://{resource.lower()}.vault.azure.net"


def _has_policies(vault: str) -> bool:
    """Say whether a vault knows access policies still; the rest use roles."""
    return stable(vault) % 3 == 0


def _allowed(code: float | None) -> bool | None:
    return None if code is None else code != 403
