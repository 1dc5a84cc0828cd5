"""What keeps a running workload from reaching what it calls."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fleetgym.contracts.policy import ask
from fleetgym_env_k8s_troubleshooting.expert.craft import (
    Finding,
    container_of,
    get,
    is_ready,
    label,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fleetgym.contracts.policy import Moves
    from fleetgym_env_k8s_troubleshooting.expert.craft import Object, View

__all__ = ["examine"]

_FAILED = re.compile(r'upstream call failed" setting=(\S+) target=(\S+) error="([^"]+)"')


def examine(view: View, namespace: str, name: str, followed: set[str]) -> Moves[list[Finding]]:
    """Return what is wrong on the way from a workload that runs and is not ready.

    Args:
        view: Lists that are known.
        namespace: Its namespace.
        name: Its name.
        followed: Addresses that need no second look, with why they failed; added to.
    """
    named = yield from view.listed("pods", namespace, {"app.kubernetes.io/name": name})
    mine = [pod for pod in named if pod["status"]["phase"] == "Running"]
    if not mine:
        return []
    logs = yield from ask("kubectl_logs", pod=mine[0]["metadata"]["name"], namespace=namespace)
    found: list[Finding] = []
    for setting, target, why in dict.fromkeys(_FAILED.findall(logs)):
        if f"{target} {why}" in followed:
            continue
        followed.add(f"{target} {why}")
        one = yield from _follow(view, mine[0], setting, target, why)
        if one is not None:
            found.append(one)
    return found


def _follow(
    view: View, client: Object, setting: str, target: str, why: str
) -> Moves[Finding | None]:
    url = urlsplit(target)
    name, _, rest = (url.hostname or "").partition(".")
    namespace = rest.partition(".")[0] or str(client["metadata"]["namespace"])
    services = yield from view.listed("services")
    service = next(
        (
            s
            for s in services
            if (s["metadata"]["name"], s["metadata"]["namespace"]) == (name, namespace)
        ),
        None,
    )
    ports = [port["port"] for port in service["spec"]["ports"]] if service else []
    if service is None or url.port not in ports:
        return (yield from _misdirected(client, setting, target, why, services))
    backing = yield from view.listed("pods", namespace, {"app.kubernetes.io/name": name})
    ready = [pod for pod in backing if is_ready(pod)]
    if not ready:
        return None  # it is sick itself, and examined for its own sake
    yield from get("endpoints", name, namespace)
    yield from get("service", name, namespace)
    selector = service["spec"]["selector"]
    labels = {k: v for k, v in label(ready[0]).items() if k in selector}
    place = {"kind": "Service", "namespace": namespace, "name": name}
    if labels != selector:
        patch = {"spec": {"selector": labels}}
        return _finding(place, "service_selector", why, patch)
    port = service["spec"]["ports"][0]
    named = {p["name"]: p["containerPort"] for p in container_of(ready[0])["ports"]}
    if port["targetPort"] not in (*named, *named.values()):
        patch = {"spec": {"ports": [{**port, "targetPort": next(iter(named))}]}}
        return _finding(place, "service_port", why, patch)
    return (yield from _kept_out(view, client, ready[0], named, why))


def _misdirected(
    client: Object, setting: str, target: str, why: str, services: Sequence[Object]
) -> Moves[Finding]:
    """Return the address that was meant: that of the service whose name the setting has."""
    namespace = str(client["metadata"]["namespace"])
    wanted = setting.removesuffix("_URL").replace("_", "-").lower()
    names = {str(s["metadata"]["name"]): s for s in services}
    best = difflib.get_close_matches(wanted, names, n=1, cutoff=0.3)[0]
    service = names[best]
    source = next(e for e in container_of(client)["env"] if e["name"] == setting)
    config = source["valueFrom"]["configMapKeyRef"]
    yield from get("configmap", config["name"], namespace)
    where = f"{best}.{service['metadata']['namespace']}.svc.cluster.local"
    address = f"{urlsplit(target).scheme}://{where}:{service['spec']['ports'][0]['port']}"
    place = {"kind": "ConfigMap", "namespace": namespace, "name": config["name"]}
    return _finding(place, "wrong_address", why, {"data": {config["key"]: address}})


def _kept_out(
    view: View, client: Object, server: Object, ports: Mapping[str, int], why: str
) -> Moves[Finding | None]:
    """Find the policy that chooses the server, and make the rule fit that means the client."""
    namespace = str(server["metadata"]["namespace"])
    policies = yield from view.listed("networkpolicies", namespace)
    for policy in policies:
        chosen = policy["spec"]["podSelector"].get("matchLabels", {})
        if not chosen.items() <= label(server).items():
            continue
        name = str(policy["metadata"]["name"])
        yield from get("networkpolicy", name, namespace)
        rules = list(_mended(policy["spec"]["ingress"], client, set(ports.values())))
        place = {"kind": "NetworkPolicy", "namespace": namespace, "name": name}
        return _finding(place, "network_policy", why, {"spec": {"ingress": rules}})
    return None


def _mended(rules: Sequence[Object], client: Object, served: set[int]) -> Iterator[dict[str, Any]]:
    home = str(client["metadata"]["namespace"])
    name = str(label(client)["app.kubernetes.io/name"])
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": home}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": name}},
    }
    for rule in rules:
        ports = [
            {**p, "port": p["port"] if p["port"] in served else min(served)} for p in rule["ports"]
        ]
        peers = list(rule["from"])
        if peer not in peers:
            near = max(range(len(peers)), key=lambda n: _likeness(peers[n], peer))
            peers[near] = peer
        yield {**rule, "ports": ports, "from": peers}


def _likeness(one: Object, other: Object) -> float:
    return difflib.SequenceMatcher(None, str(one), str(other)).ratio()


def _finding(place: Mapping[str, str], cause: str, why: str, patch: Mapping[str, Any]) -> Finding:
    change = {"action": "patch", **place, "patch": dict(patch)}
    return Finding(
        kind=place["kind"], namespace=place["namespace"], name=place["name"], cause=cause,
        explanation=why, changes=(change,),
    )  # fmt: skip
