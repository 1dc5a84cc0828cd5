"""Calls of Microsoft Graph by applications and by the clients of people."""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from fleetgym_estate.estate import Application, Employee
from fleetgym_estate.microsoft import FIRST_PARTY
from fleetgym_estate.telemetry import clock
from fleetgym_estate.telemetry.columns import constant, put
from fleetgym_estate.telemetry.data import read
from fleetgym_estate.telemetry.draw import Array, each, guids, name_guid, pick
from fleetgym_estate.telemetry.identity import application, person, tokens, weighted

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Estate

__all__ = ["fill_graph", "graph_calls"]

_APP_SHARE = 0.68

_GLOBAL_READER = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
_MEMBER = "b79fbf4d-3ef9-4689-8143-76b194e85509"


def graph_calls(estate: Estate, rng: Generator, rows: int) -> dict[str, Array]:
    """Return ``rows`` rows, unsorted."""
    callers = [a for a in estate.applications if a.purpose in read("graph.yaml")["roles"]]
    by_app = rng.random(rows) < _APP_SHARE
    owners = np.where(by_app, pick(rng, callers, rows), pick(rng, estate.employees, rows))
    numbers = rng.integers(0, 1 << 40, rows).tolist()
    calls = each(partial(_call, estate), owners, numbers)
    times = np.where(by_app, clock.flat(rng, estate, rows), clock.people(rng, estate, rows))
    columns = {
        "TimeGenerated": times,
        "AppId": each(_app_of, owners),
        "UserId": each(_user_of, owners),
        "RequestMethod": each(itemgetter(0), calls),
        "RequestUri": each(itemgetter(1), calls),
        "ResponseStatusCode": each(itemgetter(2), calls),
    }
    fill_graph(estate, rng, columns)
    return columns


def _kind(owner: Application | Employee) -> str:
    if isinstance(owner, Employee):
        return "administrator" if owner.administrator else "person"
    return owner.purpose


def _call(estate: Estate, owner: Application | Employee, number: int) -> tuple[str, str, int]:
    """Return method, address and status of one call."""
    kind = _kind(owner)
    if kind == "administrator" and number % 3:
        kind = "person"
    _, method, path, status = weighted(read("graph.yaml")[kind], number >> 4)
    people, apps = estate.employees, estate.applications
    someone, app = people[(number >> 9) % len(people)], apps[(number >> 14) % 16]
    cast = {
        "user": someone.object_id,
        "upn": someone.upn,
        "app": app.registration_id,
        "sp": app.object_id,
        "group": name_guid(estate.tenant_id, "group", (number >> 20) % 9),
        "g": name_guid(number),
    }
    return method, f"https://graph.microsoft.com/v1.0/{path.format_map(cast)}", status


def _app_of(owner: Application | Employee) -> str:
    if isinstance(owner, Application):
        return owner.app_id
    return FIRST_PARTY["Azure Portal" if owner.administrator else "Microsoft Office"]


def _user_of(owner: Application | Employee) -> str:
    return owner.object_id if isinstance(owner, Employee) else ""


def fill_graph(estate: Estate, rng: Generator, columns: dict[str, Array]) -> None:
    """Add all columns that are missing, after those that are there."""
    n = len(columns["TimeGenerated"])
    nothing = constant(None, n)
    put(columns, "UserId", constant("", n))
    drawn = pick(rng, estate.applications_for("monitor"), n)
    owners = each(
        partial(_owner, estate),
        columns["UserId"],
        columns.get("AppId", nothing),
        columns.get("ServicePrincipalId", nothing),
        drawn,
    )
    put(columns, "AppId", each(_app_of, owners))
    put(columns, "ServicePrincipalId", each(_principal_of, owners))
    put(columns, "RequestMethod", constant("GET", n))
    put(columns, "RequestUri", constant("https://graph.microsoft.com/v1.0/organization", n))
    put(columns, "ResponseStatusCode", constant(200, n))
    kinds = each(_kind, owners)
    put(columns, "Roles", each(_roles, kinds))
    put(columns, "Scopes", each(_scopes, kinds))
    put(columns, "Wids", each(_wids, kinds))
    put(columns, "ClientAuthMethod", each(_method, owners))
    put(columns, "IPAddress", each(_ip, owners, rng.integers(0, 60, n).tolist()))
    put(columns, "UserAgent", each(_agent, owners))
    put(columns, "ApiVersion", each(_version, columns["RequestUri"]))
    put(columns, "RequestId", guids(rng, n))
    put(columns, "OperationId", columns["RequestId"])
    put(columns, "ClientRequestId", guids(rng, n))
    put(columns, "SignInActivityId", tokens(rng, n))
    put(columns, "DurationMs", (rng.gamma(2.0, 70.0, n) + 9).astype(np.int64).astype(object))
    put(columns, "ResponseSizeBytes", rng.lognormal(7.2, 1.4, n).astype(np.int64).astype(object))
    times = columns["TimeGenerated"].astype(np.int64)
    issued = times - rng.integers(30 * clock.SECOND, clock.HOUR, n)
    put(columns, "TokenIssuedAt", issued // clock.SECOND * clock.SECOND)
    region = estate.clusters[0].location
    for name, value in {
        "AadTenantId": estate.tenant_id,
        "IdentityProvider": f"https://sts.windows.net/{estate.tenant_id}/",
        "Location": region,
        "SourceSystem": "Azure",
        "TenantId": estate.workspace_id,
        "Type": "MicrosoftGraphActivityLogs",
    }.items():
        put(columns, name, constant(value, n))


def _owner(
    estate: Estate, user: str, app_id: str | None, principal: str | None, drawn: Application
) -> Application | Employee:
    if user:
        known = (e for e in estate.employees if e.object_id == user)
        return next(known, None) or person(estate, f"{user}@{estate.domain}")
    key = app_id or principal
    return application(estate, key) if key else drawn


def _principal_of(owner: Application | Employee) -> str:
    return owner.object_id if isinstance(owner, Application) else ""


def _roles(kind: str) -> str:
    return read("graph.yaml")["roles"].get(kind, "")


def _scopes(kind: str) -> str:
    return read("graph.yaml")["scopes"].get(kind, "")


def _wids(kind: str) -> str:
    if kind in {"person", "administrator"}:
        return _GLOBAL_READER if kind == "administrator" else _MEMBER
    return "0997a1d0-0d1d-4acb-b408-d5ca73121e90"


def _method(owner: Application | Employee) -> int:
    """Return 0 for a public client, 1 for a secret, 2 for a certificate."""
    if isinstance(owner, Employee):
        return 0
    return 2 if owner.thumbprint else 1


def _ip(owner: Application | Employee, number: int) -> str:
    ips = owner.ips
    return ips[number % len(ips)] if isinstance(owner, Application) else ips[0]


def _agent(owner: Application | Employee) -> str:
    return owner.user_agent


def _version(uri: str) -> str:
    return "beta" if "/beta/" in uri else "v1.0"
