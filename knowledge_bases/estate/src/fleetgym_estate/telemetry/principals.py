"""Sign-ins of service principals: each application renews its tokens around the clock."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

from fleetgym_estate.telemetry import clock
from fleetgym_estate.telemetry.columns import constant, put
from fleetgym_estate.telemetry.draw import Array, each, guids, name_guid, pick
from fleetgym_estate.telemetry.identity import (
    app_id_of,
    application,
    location_details,
    place_of,
    tokens,
)

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Application, Estate

__all__ = ["fill_principals", "principal_sign_ins"]

_AZURE = "Windows Azure Service Management API"
_RESOURCES = {
    "deploy": (_AZURE, _AZURE, "Azure Kubernetes Service AAD Server", "Azure Key Vault"),
    "backup": ("Azure Storage", "Azure Storage", _AZURE),
    "analytics": ("Azure Storage",),
    "service": ("Azure Storage", "Azure Key Vault"),
    "monitor": (_AZURE, "Microsoft Graph"),
    "directory": ("Microsoft Graph",),
    "mail": ("Microsoft Graph",),
    "rotation": ("Microsoft Graph", "Azure Key Vault"),
    "managed": ("Azure Storage",),
}

# Weight, code, what the log says about it.
_RESULTS = (
    (985, "0", ""),
    (8, "7000222", "The provided client secret keys are expired."),
    (4, "7000215", "Invalid client secret is provided."),
    (3, "500011", "The resource principal was not found in the tenant."),
)
_REASONS = {code: reason for _, code, reason in _RESULTS}


def principal_sign_ins(estate: Estate, rng: Generator, rows: int) -> dict[str, Array]:
    """Return ``rows`` rows, unsorted."""
    registered = [app for app in estate.applications if app.purpose != "managed"]
    drawn = pick(rng, registered, rows)
    columns = {
        "TimeGenerated": clock.flat(rng, estate, rows),
        "AppId": each(attrgetter("app_id"), drawn),
    }
    fill_principals(estate, rng, columns)
    return columns


def fill_principals(estate: Estate, rng: Generator, columns: dict[str, Array]) -> None:
    """Add all columns that are missing, after those that are there."""
    n = len(columns["TimeGenerated"])
    drawn = pick(rng, estate.applications, n)
    for name in ("AppId", "ServicePrincipalName", "ServicePrincipalId"):
        if name in columns:
            drawn = each(partial(application, estate), columns[name])
            break
    put(columns, "AppId", each(attrgetter("app_id"), drawn))
    put(columns, "ServicePrincipalId", each(attrgetter("object_id"), drawn))
    put(columns, "ServicePrincipalName", each(attrgetter("display_name"), drawn))
    numbers = rng.integers(0, 1 << 20, n).tolist()
    put(columns, "IPAddress", each(_ip, drawn, numbers))
    countries = columns.get("Location", constant(None, n))
    places = each(partial(place_of, estate), columns["IPAddress"], countries)
    put(columns, "Location", each(attrgetter("country"), places))
    put(columns, "LocationDetails", each(location_details, places))
    put(columns, "ResourceDisplayName", each(_resource, drawn, numbers))
    put(
        columns,
        "ResourceIdentity",
        each(partial(app_id_of, estate), columns["ResourceDisplayName"]),
    )
    principals = each(partial(_resource_principal, estate), columns["ResourceDisplayName"])
    put(columns, "ResourceServicePrincipalId", principals)
    put(columns, "ServicePrincipalCredentialKeyId", each(attrgetter("key_id"), drawn))
    put(columns, "ServicePrincipalCredentialThumbprint", each(attrgetter("thumbprint"), drawn))
    put(columns, "ResultType", pick(rng, [r[1] for r in _RESULTS], n, [r[0] for r in _RESULTS]))
    put(columns, "ResultDescription", each(_reason, columns["ResultType"]))
    put(columns, "CorrelationId", guids(rng, n))
    put(columns, "Id", guids(rng, n))
    put(columns, "UniqueTokenIdentifier", tokens(rng, n))
    for name, value in {
        "OperationName": "Sign-in activity",
        "OperationVersion": "1.0",
        "Category": "ServicePrincipalSignInLogs",
        "ResultSignature": "None",
        "DurationMs": 0,
        "Level": "4",
        "AuthenticationProcessingDetails": _DETAILS,
        "ConditionalAccessPolicies": "[]",
        "ConditionalAccessStatus": "notApplied",
        "FederatedCredentialId": "",
        "ResourceGroup": "Microsoft.aadiam",
        "SourceSystem": "Azure AD",
        "TenantId": estate.workspace_id,
        "Type": "AADServicePrincipalSignInLogs",
    }.items():
        put(columns, name, constant(value, n))


_DETAILS = '[{"key":"Azure AD App Authentication Library","value":"Family: MSAL"}]'


def _ip(app: Application, number: int) -> str:
    return app.ips[number % len(app.ips)]


def _resource(app: Application, number: int) -> str:
    options = _RESOURCES[app.purpose]
    return options[(number >> 3) % len(options)]


def _resource_principal(estate: Estate, resource: str) -> str:
    return name_guid(estate.tenant_id, "principal", resource)


def _reason(code: str) -> str:
    return _REASONS.get(code, "Other.")
