"""All columns of the AKS audit tables from the facts of a request."""

from __future__ import annotations

from functools import cache, lru_cache, partial
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from fleetgym_estate.telemetry.data import read
from fleetgym_estate.telemetry.draw import (
    Array,
    compact,
    each,
    guids,
    name_guid,
    objects,
    pick,
    stable,
)

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Cluster, Estate

__all__ = ["FACTS", "aks_columns", "source_ip", "user_agent"]

FACTS = (
    *("time", "cluster", "username", "agent", "ip", "verb", "resource", "subresource"),
    *("namespace", "name", "code", "request", "query"),
)
"""What a request is made of. ``request`` is its body as JSON or None, ``query`` the URI's."""

_Target = tuple[str, str, str, str]
"""Resource, subresource, namespace and name."""

_READS = frozenset({"get", "list", "watch"})
_METADATA_ONLY = frozenset({"secrets", "configmaps", "serviceaccounts/token", "tokenreviews"})
_CONTROL_PLANE = ("system:kube-", "system:serviceaccount:kube-system:", "aksService", "system:anon")


def aks_columns(
    estate: Estate, rng: Generator, table: str, facts: dict[str, Array]
) -> dict[str, Array]:
    """Return all columns of ``table``."""
    n = len(facts["time"])
    times = facts["time"].astype(np.int64)
    latency = (rng.gamma(2.0, 6.0, n) * 1000).astype(np.int64) + 900
    clusters, users, verbs = facts["cluster"], facts["username"], facts["verb"]
    resources, codes, names = facts["resource"], facts["code"], facts["name"]
    namespaces, subresources = facts["namespace"], facts["subresource"]
    levels = each(_level, verbs, resources, subresources)
    targets = objects(zip(resources, subresources, namespaces, names, strict=True))
    bodies = each(_unless_metadata, levels, facts["request"])
    return {
        "TimeGenerated": times,
        "Level": levels,
        "AuditId": guids(rng, n),
        "Stage": pick(rng, ["ResponseComplete"], n),
        "RequestUri": each(_uri, verbs, targets, facts["query"]),
        "Verb": verbs,
        "User": each(partial(_user, estate), each(attrgetter("name"), clusters), users),
        "SourceIps": each('["{}"]'.format, facts["ip"]),
        "UserAgent": facts["agent"],
        "ObjectRef": each(_object_ref, targets),
        "ResponseStatus": each(_status, codes, users, verbs, resources, namespaces),
        "RequestObject": bodies,
        "ResponseObject": each(_response, levels, codes, bodies, targets, guids(rng, n)),
        "RequestReceivedTime": times - latency,
        "StageReceivedTime": times - (latency * rng.uniform(0.0, 0.1, n)).astype(np.int64),
        "Annotations": each(_annotations, users, codes),
        "PodName": each(attrgetter("api_server_pod"), clusters),
        "SourceSystem": pick(rng, ["Azure"], n),
        "TenantId": pick(rng, [estate.workspace_id], n),
        "Type": pick(rng, [table], n),
        "_ResourceId": each(attrgetter("resource_id"), clusters),
        "_SubscriptionId": each(attrgetter("subscription_id"), clusters),
    }


def source_ip(estate: Estate, cluster: Cluster, username: str) -> str:
    """Return where requests of a user come from."""
    if username.startswith("system:node:"):
        return f"10.224.0.{4 + stable(username) % 120}"
    if username.startswith(_CONTROL_PLANE):
        return f"172.31.{stable(cluster.name) % 60}.{stable(cluster.name, 'api') % 250}"
    if username.startswith("system:serviceaccount:"):
        bits = stable(cluster.name, username)
        return f"10.244.{bits % len(cluster.nodes)}.{10 + (bits >> 8) % 200}"
    if username in estate.employee_by_upn:
        return estate.employee_by_upn[username].ips[0]
    if username in estate.application_by_object_id:
        return estate.application_by_object_id[username].ips[0]
    return cluster.egress_ip


def user_agent(cluster: Cluster, username: str) -> str:
    """Return the client that a user is usually seen with."""
    kind = _actors_by_name().get(username, "workload")
    if username.startswith("system:node:"):
        kind = "kubelet"
    elif "@" in username or username == "masterclient":
        kind = "person"
    elif username.count("-") == 4 and ":" not in username:
        kind = "deployer"
    return agent_of(cluster.server_version, kind)


@cache
def _actors_by_name() -> dict[str, str]:
    """Return the actors whose name is the same in all clusters, by it."""
    return {row[0]: actor for actor, row in read("aks.yaml")["actors"].items()}


@lru_cache(maxsize=1024)
def agent_of(version: str, actor: str) -> str:
    """Return the user agent of an actor of ``aks.yaml`` at a server of ``version``."""
    agent: str = read("aks.yaml")["actors"][actor][1]
    revision = f"{stable(version) & 0xFFFFFFF:07x}"
    return agent.replace("{version}", version).replace("{hash}", revision)


def _level(verb: str, resource: str, subresource: str) -> str:
    if (f"{resource}/{subresource}" if subresource else resource) in _METADATA_ONLY:
        return "Metadata"
    if verb in _READS or subresource in {"exec", "portforward", "attach", "proxy"}:
        return "Request"
    return "RequestResponse" if resource else "Request"


def _unless_metadata(level: str, body: str | None) -> str | None:
    return None if level == "Metadata" else body


def api_of(resource: str) -> tuple[str, str]:
    """Return group (empty for the core) and version of a resource."""
    group, version = read("aks.yaml")["groups"].get(resource, ("", "v1"))
    return group, version


def _uri(verb: str, target: _Target, query: str | None) -> str:
    resource, subresource, namespace, name = target
    if not resource:
        return name
    group, version = api_of(resource)
    parts = [f"/apis/{group}/{version}" if group else f"/api/{version}"]
    if namespace:
        parts.append(f"/namespaces/{namespace}")
    parts.append(f"/{resource}")
    if name and (verb != "create" or subresource):
        parts.append(f"/{name}")
    if subresource:
        parts.append(f"/{subresource}")
    if query is not None:
        parts.append(f"?{query}")
    elif verb == "list":
        parts.append("?limit=500")
    elif verb == "patch" and not subresource:
        parts.append("?fieldManager=kubectl-client-side-apply")
    return "".join(parts)


@lru_cache(maxsize=4096)
def _user(estate: Estate, cluster: str, username: str) -> str:
    if username.startswith("system:serviceaccount:"):
        namespace = username.split(":")[2]
        user = {
            "groups": [
                "system:serviceaccounts",
                f"system:serviceaccounts:{namespace}",
                "system:authenticated",
            ],
            "uid": name_guid(cluster, username),
        }
    elif username in estate.employee_by_upn:
        employee = estate.employee_by_upn[username]
        team = "admins" if employee.administrator else "developers"
        groups = [name_guid(estate.tenant_id, f"aks-{team}"), "system:authenticated"]
        user = {"extra": {"oid": [employee.object_id]}, "groups": groups}
    elif username in estate.application_by_object_id:
        groups = [name_guid(estate.tenant_id, "aks-deployers"), "system:authenticated"]
        user = {"extra": {"oid": [username]}, "groups": groups}
    else:
        group = {"aksService": "system:masters", "masterclient": "system:masters"}.get(username)
        if username.startswith("system:node:"):
            group = "system:nodes"
        last = "unauthenticated" if username == "system:anonymous" else "authenticated"
        user = {"groups": [*([group] if group else []), f"system:{last}"]}
    return compact({"username": username, **user})


def _object_ref(target: _Target) -> str | None:
    resource, subresource, namespace, name = target
    if not resource:
        return None
    group, version = api_of(resource)
    fields = (
        ("apiGroup", group),
        ("apiVersion", version),
        ("name", name),
        ("namespace", namespace),
        ("resource", resource),
        ("subresource", subresource),
    )
    return "{" + ",".join(f'"{key}":"{value}"' for key, value in fields if value) + "}"


@lru_cache(maxsize=4096)
def _status(code: int, username: str, verb: str, resource: str, namespace: str) -> str:
    if code < 400:
        return compact({"code": code, "metadata": {}})
    reason = {403: "Forbidden", 404: "NotFound", 409: "Conflict"}.get(code, "Failure")
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    group = api_of(resource)[0]
    message = {
        403: f'{resource} is forbidden: User "{username}" cannot {verb} resource "{resource}" '
        f'in API group "{group}" {where}',
        404: f"{resource} not found",
    }.get(code, reason)
    return compact(
        {"code": code, "message": message, "metadata": {}, "reason": reason, "status": "Failure"}
    )


def _response(level: str, code: int, body: str | None, target: _Target, uid: str) -> str | None:
    if level != "RequestResponse" or code >= 400 or body is None:
        return None
    _, _, namespace, name = target
    where = f',"namespace":"{namespace}"' if namespace else ""
    version = stable(uid) % 90_000_000 + 10_000_000
    name = name or _generated(body, uid)
    return f'{{"metadata":{{"name":"{name}"{where},"resourceVersion":"{version}","uid":"{uid}"}}}}'


def _generated(body: str, uid: str) -> str:
    """Return the name that the server gives to an object which only has the begin of one."""
    stem = body.partition('"generateName":"')[2].partition('"')[0]
    return stem + uid[:5].translate(_LETTERS)


_LETTERS = str.maketrans("0123456789abcdef", "bcdfghjklmnpqrst")


@lru_cache(maxsize=4096)
def _annotations(username: str, code: int) -> str:
    if code == 403:
        return compact(
            {"authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": ""}
        )
    if username.startswith("system:serviceaccount:"):
        _, _, namespace, account = username.split(":")
        role = f"system:controller:{account}" if namespace == "kube-system" else account
        who = f'ServiceAccount "{account}/{namespace}"'
        reason = f'RBAC: allowed by ClusterRoleBinding "{role}" of ClusterRole "{role}" to {who}'
    elif "@" in username or username.count("-") == 4:
        reason = "access granted by Azure RBAC"
    else:
        reason = ""
    return compact(
        {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": reason}
    )
