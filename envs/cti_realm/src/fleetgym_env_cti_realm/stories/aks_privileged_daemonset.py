"""DaemonSets that own their nodes.

The intrusion's DaemonSets give the node away, were made by hand, and bring an image from a foreign
registry. Each kind of look-alike lacks exactly one of the three.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fleetgym_env_cti_realm.stories.plot import Plot
from fleetgym_estate.audit import request
from fleetgym_estate.drawing import one, some

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Cluster, Estate
    from fleetgym_estate.event import Event

__all__ = ["draw"]

_CONTROLLER = "system:serviceaccount:kube-system:daemon-set-controller"
_FIRST = ("node", "csi", "kube", "host", "net", "disk", "log", "gpu")
_SECOND = ("agent", "health", "sync", "exporter", "cache", "monitor", "tuner", "init", "probe")
_PUBLIC = ("docker.io", "quay.io", "ghcr.io")
_OWNERS = (
    *("opsnode", "cloudkits", "devtoolbox", "infralabs"),
    *("hostworks", "k8sutil", "nodecrew", "runbooks"),
)
_TOOLS = (
    *("host-agent", "nodekit", "exporter", "toolbox"),
    *("runner", "collector", "sysutil", "helper"),
)
_PATHS = ("/", "/", "/", "/etc", "/root", "/var/lib/kubelet", "/proc")
_SCRIPTS = (
    ["chroot", "/host", "sh", "-c", "/opt/run.sh"],
    ["nsenter", "-t", "1", "-m", "-u", "-n", "sh"],
    ["/usr/local/bin/start"],
    ["sh", "-c", "cp -r /payload/. /host/opt/ && sleep infinity"],
)
_HAND = (
    "kubectl/v1.30.2 (linux/amd64) kubernetes/3968350",
    "kubectl/v1.29.6 (darwin/arm64) kubernetes/062798d",
    "curl/8.5.0",
    "python-requests/2.32.3",
)
_PIPELINES = (
    "Helm/3.15.3",
    "Helm/3.14.4",
    "helm-controller/v1.0.1",
    "argocd-application-controller/v0.0.0 (linux/amd64) kubernetes/$Format",
)
_CONTROLLERS = {
    "helm-controller": "system:serviceaccount:flux-system:helm-controller",
    "argocd-application-controller": "system:serviceaccount:argocd:argocd-application-controller",
}
_VARIABLES = ("ENDPOINT", "UPSTREAM", "SERVER", "TARGET", "REMOTE_ADDR")
_HOSTS = ("gate", "relay", "in", "edge", "stream", "push")
_PORTS = (443, 3333, 4317, 5044, 8443, 9090, 14444)


@dataclass(frozen=True, slots=True, kw_only=True)
class _DaemonSet:
    cluster: Cluster
    namespace: str
    name: str
    image: str
    command: list[str]
    path: str
    """Mounted directory of the host."""

    privileged: bool
    remote: tuple[str, str]
    """Environment variable with the address that it talks to, and that."""

    nodes: int
    """On how many it runs."""

    username: str
    agent: str


def draw(estate: Estate, rng: Generator) -> Plot:
    """Draw the intrusion and its look-alikes."""
    events: list[Event] = []
    table = one(rng, ("AKSAudit", "AKSAuditAdmin"))
    cluster = one(rng, estate.clusters_of(table))
    planned = int(rng.integers(1, 3))
    names = some(rng, [f"{a}-{b}" for a in _FIRST for b in _SECOND], 10)
    rogue = _rogue(estate, rng, cluster, names[0])
    sets = [rogue]
    if planned == 2:
        second = replace(_rogue(estate, rng, cluster, names[1]), username=rogue.username)
        sets = [replace(rogue, nodes=2), replace(second, nodes=2, agent=rogue.agent)]
    at = _when(estate, rng)
    for index, made in enumerate(sets):
        begun = at + timedelta(minutes=11 * index)
        events += _deployed(rng, made, begun, patched=index == 0, asked_for=True)
    events += _look_around(rogue, at - timedelta(minutes=4))
    for change in (_harmless, _by_pipeline, _own_image):
        for number in range(3):
            # Honest DaemonSets are called as the intrusion's are, elsewhere.
            name = names[0] if number == 0 else names[2 + int(rng.integers(0, 8))]
            elsewhere = [c for c in estate.clusters if c is not cluster]
            where = one(rng, elsewhere if number == 0 else estate.clusters)
            honest = change(estate, rng, _rogue(estate, rng, where, name))
            begun = _when(estate, rng)
            if rng.random() < 0.5:
                events += _look_around(honest, begun - timedelta(minutes=4))
            events += _deployed(rng, honest, begun, patched=rng.random() < 0.4)
    return Plot(
        events=events,
        patterns={
            "RequestUri": "(/daemonsets|/pods)",
            "RequestObject": "|".join(re.escape(made.image.partition(":")[0]) for made in sets),
        },
    )


def _rogue(estate: Estate, rng: Generator, cluster: Cluster, name: str) -> _DaemonSet:
    workload = one(rng, cluster.workloads)
    account = f"system:serviceaccount:{workload.namespace}:{workload.service_account}"
    return _DaemonSet(
        cluster=cluster,
        namespace=one(rng, (*cluster.namespaces, "kube-system", "default")),
        name=name,
        image=_public_image(rng),
        command=one(rng, _SCRIPTS),
        path=one(rng, _PATHS),
        privileged=True,
        remote=(one(rng, _VARIABLES), _remote(rng)),
        nodes=one(rng, (2, len(cluster.nodes))),
        username=one(rng, (account, one(rng, estate.kubernetes_users).upn)),
        agent=one(rng, _HAND),
    )


def _public_image(rng: Generator) -> str:
    version = f"{rng.integers(0, 4)}.{rng.integers(0, 20)}"
    return f"{one(rng, _PUBLIC)}/{one(rng, _OWNERS)}/{one(rng, _TOOLS)}:{version}"


def _remote(rng: Generator) -> str:
    """Return a host outside the company, with a port: a pool's as much as a vendor's."""
    return f"{one(rng, _HOSTS)}.{one(rng, _OWNERS)}.example:{one(rng, _PORTS)}"


def _harmless(estate: Estate, rng: Generator, made: _DaemonSet) -> _DaemonSet:
    """Tried out by hand from a public image: not privileged, or no directory that matters."""
    del estate
    if rng.random() < 0.5:
        return replace(made, privileged=False)
    return replace(made, path=one(rng, ("/var/log", "/run/log/journal", "/usr/share/zoneinfo")))


def _by_pipeline(estate: Estate, rng: Generator, made: _DaemonSet) -> _DaemonSet:
    """An agent with full access from a public image, rolled out as everything is."""
    agent = one(rng, _PIPELINES)
    deployer = one(rng, estate.applications_for("deploy")).object_id
    return replace(made, agent=agent, username=_CONTROLLERS.get(agent.partition("/")[0], deployer))


def _own_image(estate: Estate, rng: Generator, made: _DaemonSet) -> _DaemonSet:
    """An administrator's tool for all nodes, from the company's registry or the provider's."""
    registry = one(rng, (f"{estate.company}acr.azurecr.io/platform", "mcr.microsoft.com/oss"))
    return replace(made, image=f"{registry}/{made.image.rpartition('/')[2]}")


def _deployed(
    rng: Generator,
    made: _DaemonSet,
    at: datetime,
    *,
    patched: bool,
    asked_for: bool = False,
) -> list[Event]:
    """Return the creation, the controller's pods, and possibly a patch."""
    sets = {"resource": "daemonsets", "namespace": made.namespace, "name": made.name}
    template = _template(made)
    labels = {"app": made.name}
    body: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"labels": labels, "name": made.name, "namespace": made.namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": template},
        },
    }
    events = [_asked(made, at, "create", sets, body, asked_for=asked_for)]
    for index in range(made.nodes):
        later = at + timedelta(milliseconds=600 * (index + 1) + int(rng.integers(40, 560)))
        metadata = {
            "generateName": f"{made.name}-",
            "labels": labels,
            "namespace": made.namespace,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": made.name}],
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        affinity = {"nodeName": made.cluster.nodes[index % len(made.cluster.nodes)]}
        pod["spec"] = {**template, **affinity}
        target = {"resource": "pods", "namespace": made.namespace}
        events.append(
            request(
                made.cluster, later, _CONTROLLER, "create", target, body=pod, asked_for=asked_for
            )
        )
    if patched:
        image, _, _ = made.image.partition(":")
        containers = [{"image": f"{image}:{rng.integers(4, 9)}.0", "name": made.name}]
        change = {"spec": {"template": {"spec": {"containers": containers}}}}
        later = at + timedelta(seconds=int(rng.integers(300, 3000)))
        events.append(_asked(made, later, "patch", sets, change, asked_for=asked_for))
    return events


def _template(made: _DaemonSet) -> dict[str, Any]:
    """Return the specification of the pods."""
    container: dict[str, Any] = {
        "command": made.command,
        "env": [dict(zip(("name", "value"), made.remote, strict=True))],
        "image": made.image,
        "name": made.name,
        "volumeMounts": [{"mountPath": "/host", "name": "host"}],
    }
    if made.privileged:
        container["securityContext"] = {"privileged": True}
    part = made.nodes < len(made.cluster.nodes)
    return {
        "containers": [container],
        **({"nodeSelector": {"kubernetes.azure.com/mode": "user"}} if part else {}),
        "hostPID": made.privileged,
        "tolerations": [{"operator": "Exists"}],
        "volumes": [{"hostPath": {"path": made.path}, "name": "host"}],
    }


def _look_around(made: _DaemonSet, at: datetime) -> list[Event]:
    """Return what the intruder asks before: may I, and which nodes are there."""
    events = [_asked(made, at, "create", {"resource": "selfsubjectaccessreviews"})]
    if made.cluster.audit_table == "AKSAudit":
        later = at + timedelta(seconds=20)
        events.append(_asked(made, later, "list", {"resource": "nodes"}))
    return events


def _asked(
    made: _DaemonSet,
    at: datetime,
    verb: str,
    target: dict[str, str],
    body: dict[str, Any] | None = None,
    *,
    asked_for: bool = False,
) -> Event:
    """Return a request of whoever deploys it."""
    return request(
        made.cluster,
        at,
        made.username,
        verb,
        target,
        agent=made.agent,
        body=body,
        asked_for=asked_for,
    )


def _when(estate: Estate, rng: Generator) -> datetime:
    seconds = float(rng.uniform(2 * 3600, 46 * 3600))
    return estate.start + timedelta(seconds=seconds)
