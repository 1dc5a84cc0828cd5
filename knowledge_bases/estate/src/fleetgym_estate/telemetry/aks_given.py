"""The facts of a request to the API server from what a planted row says of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from fleetgym.contracts.errors import SpecError
from fleetgym_estate.drawing import one
from fleetgym_estate.telemetry.aks import exec_query
from fleetgym_estate.telemetry.aks_fill import FACTS, aks_columns, source_ip, user_agent
from fleetgym_estate.telemetry.draw import Array, compact, objects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import Generator

    from fleetgym_estate.estate import Cluster, Estate

__all__ = ["aks_given"]


def aks_given(
    estate: Estate, rng: Generator, table: str, given: Mapping[str, Any]
) -> dict[str, Array]:
    """Return all columns of one request, of which ``given`` says something."""
    cluster = _cluster(estate, rng, table, given)
    user, target = _object(given.get("User")), _object(given.get("ObjectRef"))
    username = user.get("username") or one(rng, estate.kubernetes_users).upn
    sources = _parsed(given.get("SourceIps")) or [source_ip(estate, cluster, username)]
    body = given.get("RequestObject")
    verb = given.get("Verb", "get")
    code = _object(given.get("ResponseStatus")).get("code")
    if code is None:
        code = {"exec": 101, "attach": 101}.get(target.get("subresource", ""))
    if code is None:
        code = 201 if verb == "create" else 200
    facts = {
        "time": given["TimeGenerated"],
        "cluster": cluster,
        "username": username,
        "agent": given.get("UserAgent") or user_agent(cluster, username),
        "ip": sources[0],
        "verb": verb,
        "resource": target.get("resource", "pods" if given.get("ObjectRef") is None else ""),
        "subresource": target.get("subresource", ""),
        "namespace": target.get("namespace", ""),
        "name": target.get("name", ""),
        "code": code,
        "request": body if body is None or isinstance(body, str) else compact(body),
        "query": _query(target),
    }
    columns = {name: objects([facts[name]]) for name in FACTS}
    return aks_columns(estate, rng, table, columns)


def _cluster(estate: Estate, rng: Generator, table: str, given: Mapping[str, Any]) -> Cluster:
    resource_id = given.get("_ResourceId")
    if resource_id is None:
        return one(rng, estate.clusters_of(table))
    for cluster in estate.clusters_of(table):
        if cluster.resource_id == resource_id.lower():
            return cluster
    raise SpecError(
        f"A row is planted in {table} for {resource_id!r}, which does not send its audit there. "
        f"Take one of `estate.clusters_of({table!r})`."
    )


def _parsed(value: object) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _object(value: object) -> dict[str, Any]:
    """Return an object that is given as such, as JSON or not at all."""
    return cast("dict[str, Any]", _parsed(value) or {})


def _query(target: Mapping[str, Any]) -> str | None:
    if target.get("subresource") != "exec":
        return None
    container = str(target.get("name", "")).rpartition("-")[0].rpartition("-")[0]
    return exec_query(["sh"], container)
