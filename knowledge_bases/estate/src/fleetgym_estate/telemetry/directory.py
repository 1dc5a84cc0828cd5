"""Changes of the directory: provisioning, help desk, rotation of credentials, elevation in time."""

from __future__ import annotations

import json
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fleetgym_estate.estate import Application, Employee
from fleetgym_estate.telemetry import clock
from fleetgym_estate.telemetry.columns import constant, put
from fleetgym_estate.telemetry.data import read
from fleetgym_estate.telemetry.draw import (
    Array,
    compact,
    each,
    guids,
    indices,
    name_guid,
    objects,
    pick,
    stable,
)
from fleetgym_estate.telemetry.identity import application, person

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import Generator

    from fleetgym_estate.estate import Estate

__all__ = [
    "acting",
    "audit_id",
    "details",
    "directory_rows",
    "fill_directory",
    "initiator",
    "name_of",
]


def directory_rows(estate: Estate, rng: Generator, rows: int) -> dict[str, Array]:
    """Return ``rows`` rows, unsorted."""
    operations: list[list[Any]] = read("directory.yaml")["operations"]
    drawn = objects(operations)[indices(rng, rows, [o[0] for o in operations])]
    numbers = rng.integers(0, 1 << 40, rows).tolist()
    human = np.isin(each(itemgetter(5), drawn), ("person", "administrator"))
    times = np.where(human, clock.people(rng, estate, rows), clock.flat(rng, estate, rows))
    actors = each(partial(_actor, estate), each(itemgetter(5), drawn), numbers)
    columns = {
        "TimeGenerated": times,
        "OperationName": each(itemgetter(1), drawn),
        "InitiatedBy": each(initiator, actors),
        "Identity": each(name_of, actors),
        "TargetResources": each(partial(_targets, estate), drawn, actors, numbers),
        "AdditionalDetails": each(details, actors),
    }
    fill_directory(estate, rng, columns)
    return columns


def _actor(estate: Estate, kind: str, number: int) -> Application | Employee | str:
    """Return who does something: an application, a person or a service of the directory."""
    if kind == "person":
        return estate.employees[number % len(estate.employees)]
    if kind == "administrator":
        return estate.administrators[number % len(estate.administrators)]
    if kind == "service":
        services: list[str] = read("directory.yaml")["services"]
        return services[number % len(services)]
    apps = estate.applications_for(kind)
    return apps[number % len(apps)]


def initiator(actor: Application | Employee | str) -> str:
    """Return the dynamic column that names who did something."""
    if isinstance(actor, Employee):
        user: dict[str, Any] = {
            "displayName": actor.display_name,
            "id": actor.object_id,
            "ipAddress": actor.ips[0],
            "roles": [],
            "userPrincipalName": actor.upn,
        }
        return compact({"user": user})
    if isinstance(actor, str):
        return compact({"app": {"displayName": actor, "servicePrincipalId": name_guid(actor)}})
    return compact(
        {
            "app": {
                "appId": actor.app_id,
                "displayName": actor.display_name,
                "servicePrincipalId": actor.object_id,
            }
        }
    )


def acting(estate: Estate, initiated_by: object) -> Application | Employee | str | None:
    """Return who is named, in part or in full, by a column ``InitiatedBy``; None if nobody is."""
    value = json.loads(initiated_by) if isinstance(initiated_by, str) else initiated_by
    named = cast("dict[str, dict[str, str]]", value or {})
    user, app = named.get("user", {}), named.get("app", {})
    if user.get("userPrincipalName"):
        return person(estate, user["userPrincipalName"])
    name = app.get("displayName")
    if name in read("directory.yaml")["services"]:
        return name
    key = app.get("appId") or app.get("servicePrincipalId") or name
    return application(estate, key) if key else None


def name_of(actor: Application | Employee | str) -> str:
    """Return what an actor is called."""
    return actor if isinstance(actor, str) else actor.display_name


def details(actor: Application | Employee | str) -> str:
    """Return the dynamic column with the client that the actor used."""
    if isinstance(actor, str):
        return "[]"
    return compact([{"key": "User-Agent", "value": actor.user_agent}])


def _target(
    estate: Estate, kind: str, who: Application | Employee, number: int
) -> list[dict[str, Any]]:
    """Return what was changed, as the dynamic column ``TargetResources`` holds it."""
    if isinstance(who, Employee):
        base: dict[str, Any] = {
            "displayName": who.display_name,
            "id": who.object_id,
            "type": "User",
            "userPrincipalName": who.upn,
        }
    else:
        principal = kind == "principal"
        base = {
            "displayName": who.display_name,
            "id": who.object_id if principal else who.registration_id or who.object_id,
            "type": "ServicePrincipal" if principal else "Application",
        }
    base["modifiedProperties"] = _modified(estate, kind, who, number)
    return [base]


def _modified(
    estate: Estate, kind: str, who: Application | Employee, number: int
) -> list[dict[str, str]]:
    """Return names with old and new values, these as JSON in text."""
    if kind == "secret" and isinstance(who, Application):
        kept = f"[KeyIdentifier={who.key_id},KeyType=Password,KeyUsage=Verify,DisplayName=]"
        added = name_guid(who.app_id, number)
        made = (
            f"[KeyIdentifier={added},KeyType=Password,KeyUsage=Verify,"
            f"DisplayName=rotated-{estate.start:%Y-%m}]"
        )
        values = {"KeyDescription": ([kept], [kept, made])}
        updated = "KeyDescription"
    else:
        values, updated = _CHANGES.get(kind, ({}, ""))
    changes = [
        {"displayName": name, "newValue": compact(new), "oldValue": compact(old)}
        for name, (old, new) in values.items()
    ]
    included = {
        "displayName": "Included Updated Properties",
        "newValue": compact(updated),
        "oldValue": "",
    }
    return [*changes, included]


_CHANGES: Mapping[str, tuple[dict[str, tuple[list[str], list[str]]], str]] = {
    "user": ({"Department": (["Sales"], ["Operations"])}, "Department"),
    "application": ({"AppAddress": ([], ["https://localhost/signin"])}, "AppAddress"),
    "device": ({"DeviceOSVersion": (["10.0.22631"], ["10.0.22635"])}, "DeviceOSVersion"),
    "policy": ({"ConditionalAccessPolicy": (["enabled"], ["enabled"])}, "ConditionalAccessPolicy"),
}


def _targets(
    estate: Estate, operation: list[Any], actor: Application | Employee | str, number: int
) -> str:
    """Return the targets of a background operation."""
    kind = operation[6]
    if kind in {"self", "user", "membership", "role"}:
        someone = estate.employees[(number >> 8) % len(estate.employees)]
        who = actor if kind == "self" and isinstance(actor, Employee) else someone
        targets = _target(estate, kind, who, number)
        if kind == "membership":
            targets.append(_named(estate, "Group", number % 9))
        if kind == "role":
            roles: list[str] = read("directory.yaml")["roles"]
            targets.insert(
                0, {**_named(estate, "Role", 0), "displayName": roles[number % len(roles)]}
            )
        return compact(targets)
    if kind in {"secret", "application", "principal"}:
        apps = [app for app in estate.applications if app.purpose != "managed"]
        return compact(_target(estate, kind, apps[(number >> 8) % len(apps)], number))
    if kind == "device":
        owner = estate.employees[(number >> 8) % len(estate.employees)]
        device: dict[str, Any] = {"displayName": owner.device_name, "id": owner.device_id}
        modified = _modified(estate, kind, owner, number)
        return compact([{**device, "modifiedProperties": modified, "type": "Device"}])
    return compact([_named(estate, kind.title(), number % 9)])


def _named(estate: Estate, kind: str, number: int) -> dict[str, Any]:
    names = (
        "finance",
        "developers",
        "operations",
        "sales",
        "contractors",
        "vpn",
        "aks",
        "hr",
        "it",
    )
    return {
        "displayName": f"{estate.company}-{names[number]}",
        "id": name_guid(estate.tenant_id, kind.lower(), number),
        "modifiedProperties": [],
        "type": kind,
    }


def fill_directory(estate: Estate, rng: Generator, columns: dict[str, Array]) -> None:
    """Add all columns that are missing, after those that are there."""
    n = len(columns["TimeGenerated"])
    put(columns, "OperationName", constant("Update user", n))
    operations = columns["OperationName"]
    put(columns, "Category", each(partial(_known, 2, "ApplicationManagement"), operations))
    put(columns, "LoggedByService", each(partial(_known, 3, "Core Directory"), operations))
    put(columns, "AADOperationType", each(partial(_known, 4, "Update"), operations))
    put(columns, "ActivityDisplayName", operations)
    actors = pick(rng, estate.administrators, n)
    put(columns, "InitiatedBy", each(initiator, actors))
    put(columns, "Identity", each(name_of, actors))
    put(columns, "AdditionalDetails", each(details, actors))
    put(columns, "TargetResources", constant("[]", n))
    put(columns, "Result", pick(rng, ("success", "failure"), n, (97, 3)))
    failed = columns["Result"] == "failure"
    put(columns, "ResultReason", each(_reason, failed))
    put(columns, "ResultDescription", columns["ResultReason"])
    times = columns["TimeGenerated"].astype(np.int64)
    put(columns, "ActivityDateTime", times)
    put(columns, "CorrelationId", guids(rng, n))
    services, numbers = columns["LoggedByService"], rng.integers(0, 100_000_000, n).tolist()
    put(columns, "Id", each(audit_id, services, columns["CorrelationId"], numbers))
    for name, value in {
        "ResourceId": f"/tenants/{estate.tenant_id}/providers/Microsoft.aadiam",
        "OperationVersion": "1.0",
        "ResultSignature": "None",
        "ResultType": "",
        "DurationMs": 0,
        "Resource": "Microsoft.aadiam",
        "ResourceGroup": "Microsoft.aadiam",
        "Level": "4",
        "AADTenantId": estate.tenant_id,
        "SourceSystem": "Azure AD",
        "TenantId": estate.workspace_id,
        "Type": "AuditLogs",
    }.items():
        put(columns, name, constant(value, n))


def _known(column: int, otherwise: str, operation: str) -> str:
    """Return a property of an operation."""
    for row in read("directory.yaml")["operations"]:
        if row[1] == operation:
            return row[column]
    return otherwise


def _reason(failed: bool) -> str:
    return "Microsoft.Online.DirectoryServices.DirectoryValueExistsException" if failed else ""


_PREFIXES = {"Core Directory": "Directory", "PIM": "PIM", "Authentication Methods": "Auth"}


def audit_id(service: str, correlation: str, number: int) -> str:
    """Return the id of a change, ``number`` below 100,000,000 making it unique."""
    letters = f"{stable(number):X}"[:5].rjust(5, "0")
    return f"{_PREFIXES.get(service, 'Directory')}_{correlation}_{letters}_{number}"
