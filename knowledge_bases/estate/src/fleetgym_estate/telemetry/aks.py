"""Background of the AKS audit: kubelets, controllers, operators, workloads, pipelines, people."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from fleetgym_estate.telemetry import clock
from fleetgym_estate.telemetry.aks_fill import FACTS, agent_of, aks_columns, source_ip
from fleetgym_estate.telemetry.data import read
from fleetgym_estate.telemetry.draw import (
    Array,
    compact,
    indices,
    name_guid,
    objects,
    pick,
    stable,
)
from fleetgym_estate.telemetry.identity import weighted

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Cluster, Estate, Workload

__all__ = ["aks_table", "exec_query"]

_READS = frozenset({"get", "list", "watch"})
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def aks_table(estate: Estate, rng: Generator, rows: int, table: str) -> dict[str, Array]:
    """Return ``rows`` rows of one of the two audit tables, unsorted."""
    requests = [
        request
        for request in read("aks.yaml")["requests"]
        if table == "AKSAudit" or request[2] not in _READS
    ]
    # What controllers write is the bulk of a table that holds no reads; people would drown in it.
    weights = [
        request[0] * (4 if table == "AKSAuditAdmin" and request[1] in _RARE else 1)
        for request in requests
    ]
    chosen = objects(requests)[indices(rng, rows, weights)]
    clusters = pick(rng, estate.clusters_of(table), rows)
    times = _times(estate, rng, chosen)
    numbers = rng.integers(0, 1 << 40, rows).tolist()
    facts = [
        _request(estate, *row)
        for row in zip(times.tolist(), clusters, chosen, numbers, strict=True)
    ]
    columns = dict(zip(FACTS, map(objects, zip(*facts, strict=True)), strict=True))
    return aks_columns(estate, rng, table, columns)


_RARE = frozenset({"person", "deployer", "argocd", "external-secrets", "cert-manager"})


def _times(estate: Estate, rng: Generator, requests: Array) -> Array:
    """Return people's requests in working hours, all others at any time."""
    n = len(requests)
    human = np.array([request[1] in {"person", "lens", "deployer"} for request in requests])
    return np.where(human, clock.people(rng, estate, n), clock.flat(rng, estate, n))


def _request(
    estate: Estate, time: int, cluster: Cluster, request: list[Any], number: int
) -> tuple[Any, ...]:
    """Return the facts of one request; ``number`` decides whatever is left open."""
    _, actor, verb, resource, namespace, name, code, body = request
    template = read("aks.yaml")["actors"][actor][0]
    work = cluster.workloads[number % len(cluster.workloads)]
    cast = _cast(estate, cluster, work, number, time)
    resource, _, subresource = resource.partition("/")
    username = template.format_map(cast)
    if "{x" in name:
        letters = "".join(_LETTERS[number // 27**i % 27] for i in range(8))
        cast |= {"x5": letters[:5], "x8": letters, "x10": letters + letters[2:4]}
    cast["namespace"] = namespace.format_map(cast)
    cast["name"] = name.format_map(cast)
    if body:
        cast["uid"] = name_guid(cluster.name, work.name, number % 7)
        cast["time"] = str(np.datetime64(time // clock.SECOND, "s")) + "Z"
        cast["holder"] = cast["node"] if actor == "kubelet" else cast["name"]
    return (
        time,
        cluster,
        username,
        agent_of(cluster.server_version, actor),
        source_ip(estate, cluster, username),
        verb,
        resource,
        subresource,
        cast["namespace"],
        cast["name"],
        code,
        _body(body).format_map(cast) if body else None,
        exec_query(_command(number), work.name) if subresource == "exec" else None,
    )


def _cast(
    estate: Estate, cluster: Cluster, work: Workload, number: int, time: int
) -> dict[str, Any]:
    deployers = estate.applications_for("deploy")
    people = estate.kubernetes_users
    return {
        "ns": work.namespace,
        "work": work.name,
        "sa": work.service_account,
        "image": work.image,
        "pod": work.pods[(number >> 5) % len(work.pods)],
        "node": cluster.nodes[(number >> 9) % len(cluster.nodes)],
        "app": deployers[stable(work.name) % len(deployers)].object_id,
        "upn": people[(number >> 13) % len(people)].upn,
        "hash": work.pods[0].rpartition("-")[0].rpartition("-")[2],
        "job": time // (60 * clock.SECOND),
        "n": 2 + number % 60,
        "version": 10_000_000 + number % 80_000_000,
        "release": cluster.server_version,
    }


@cache
def _body(kind: str) -> str:
    """Return a body as a format: a placeholder ``$name`` becomes ``{name}``."""
    text = compact(read("aks_bodies.yaml")[kind]).replace("{", "{{").replace("}", "}}")
    return re.sub(r"(?<!\$)\$(\w+)", r"{\1}", text).replace("$$", "$")


def _command(number: int) -> list[str]:
    """Return what somebody runs in a container."""
    return weighted(read("aks.yaml")["exec_commands"], number)[1]


def exec_query(command: list[str], container: str) -> str:
    """Return the query of the URI by which kubectl runs ``command`` with a terminal."""
    words = "&".join("command=" + word.replace(" ", "+").replace("/", "%2F") for word in command)
    return f"{words}&container={container}&stdin=true&stdout=true&tty=true"
