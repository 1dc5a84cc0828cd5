"""What `kubectl get` and `kubectl top` print."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fleetgym_cluster.objects import Manifest, Ref, dig, items, ref_of, strings
from fleetgym_cluster.pressure import RESERVED_MIB
from fleetgym_cluster.quantity import amount, quantity_text

if TYPE_CHECKING:
    from fleetgym_cluster.pods import Container, Pod
    from fleetgym_cluster.reconcile import ReplicaSet, State

__all__ = ["EVENTS_KEPT", "age", "event_rows", "get_rows", "pod_manifest", "table", "top_rows"]

EVENTS_KEPT = timedelta(hours=1)
"""How long the API server keeps events."""

Rows = list[list[str]]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns with three blanks between them."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(header))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def age(now: datetime, since: datetime | str | None) -> str:
    """Return how long ago something was, as kubectl abbreviates it."""
    if since is None:
        return "<unknown>"
    moment = datetime.fromisoformat(since) if isinstance(since, str) else since
    seconds = max(0, int((now - moment).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 120:
        return f"{minutes}m"
    if hours < 48:
        return f"{hours}h"
    return f"{days}d"


def get_rows(state: State, kind: str, chosen: Sequence[Manifest]) -> tuple[list[str], Rows]:
    """Return header and rows of manifests of one kind, derived ones included."""
    header, cells = _COLUMNS.get(kind, (["AGE"], _only_age))
    rows = [
        [*_place(manifest), *(str(cell) for cell in cells(state, manifest))] for manifest in chosen
    ]
    first = ["NAMESPACE", "NAME"] if chosen and _place(chosen[0])[1:] else ["NAME"]
    return [*first, *header], rows


def event_rows(state: State, namespace: str | None, about: Ref | None = None) -> Rows:
    """Return the events that are kept, oldest first: last seen, type, reason, object, message."""
    now = state.cluster.world.now
    return [
        [
            age(now, event.at) + (f" (x{event.count})" if event.count > 1 else ""),
            event.type,
            event.reason,
            f"{event.ref.kind.lower()}/{event.ref.name}",
            *([event.ref.namespace] if namespace is None else []),
            event.message,
        ]
        for event in state.events
        if event.at >= now - EVENTS_KEPT
        and namespace in (None, event.ref.namespace)
        and about in (None, event.ref)
    ]


def top_rows(state: State, kind: str, namespace: str | None) -> tuple[list[str], Rows]:
    """Return what pods or nodes use."""
    used = {pod.name: _use(pod) for pod in state.pods if pod.started}
    if kind == "Node":
        rows: Rows = []
        for node in state.scheduler.nodes:
            name, room = node["metadata"]["name"], strings(node, "status", "allocatable")
            mine = [used[p.name] for p in state.pods if p.node == name and p.name in used]
            cpu, memory = 180 + sum(c for c, _ in mine), RESERVED_MIB + sum(m for _, m in mine)
            rows.append([
                name, f"{cpu}m", f"{cpu / 10 / float(amount(room['cpu'])):.0f}%", f"{memory}Mi",
                f"{100 * memory * 1024 * 1024 / float(amount(room['memory'])):.0f}%",
            ])  # fmt: skip
        return ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"], rows
    pods = [p for p in state.pods if p.started and namespace in (None, p.namespace)]
    header = ["NAME", "CPU(cores)", "MEMORY(bytes)"]
    rows = [[p.name, f"{used[p.name][0]}m", f"{used[p.name][1]}Mi"] for p in pods]
    if namespace is None:
        header.insert(0, "NAMESPACE")
        rows = [[pod.namespace, *row] for pod, row in zip(pods, rows, strict=True)]
    return header, rows


def pod_manifest(pod: Pod) -> Manifest:
    """Return a pod as the API server shows it."""
    labels = dict(pod.labels)
    if pod.replica_set:
        labels["pod-template-hash"] = pod.replica_set.rpartition("-")[2]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod.name,
            "namespace": pod.namespace,
            "labels": labels,
            "creationTimestamp": f"{pod.created:%Y-%m-%dT%H:%M:%SZ}",
            "ownerReferences": [
                {"kind": "ReplicaSet", "name": pod.replica_set}
                if pod.replica_set
                else {"kind": pod.owner.kind, "name": pod.owner.name}
            ],
        },
        "spec": {**pod.spec, "nodeName": pod.node or None, "serviceAccountName": pod.account},
        "status": {
            "phase": _phase(pod),
            "podIP": pod.ip or None,
            "containerStatuses": [_status(one) for one in pod.containers],
        },
    }


def _phase(pod: Pod) -> str:
    if pod.evicted:
        return "Failed"
    return "Running" if any(c.state == "Running" for c in pod.containers) else "Pending"


def _status(container: Container) -> dict[str, Any]:
    now: dict[str, Any] = {"running": {}} if container.state == "Running" else {
        "waiting": {"reason": container.reason, "message": container.message}
    }  # fmt: skip
    last = (
        {"terminated": {"reason": container.last_reason, "exitCode": container.exit_code}}
        if container.last_reason
        else {}
    )
    return {
        "name": container.name,
        "ready": container.ready,
        "restartCount": container.restarts,
        "state": now,
        "lastState": last,
    }


def _use(pod: Pod) -> tuple[int, int]:
    programs = [c.program for c in pod.containers if c.program is not None]
    spread = sum(pod.name.encode()) % 9
    return (
        sum(p.cpu_m for p in programs) * (95 + spread) // 100,
        sum(p.memory_mib for p in programs) * (84 + spread) // 100,
    )


def _place(manifest: Manifest) -> list[str]:
    ref = ref_of(manifest)
    return [ref.namespace, ref.name] if ref.namespace else [ref.name]


def _age(state: State, manifest: Manifest) -> str:
    return age(state.cluster.world.now, dig(manifest, "metadata", "creationTimestamp"))


def _only_age(state: State, manifest: Manifest) -> list[str]:
    return [_age(state, manifest)]


def _pod(state: State, manifest: Manifest) -> list[str]:
    pod = next(p for p in state.pods if p.name == manifest["metadata"]["name"])
    total = len(items(pod.spec, "containers"))
    ready = sum(c.ready for c in pod.containers)
    where = [pod.ip or "<none>", pod.node or "<none>"]
    return [f"{ready}/{total}", pod.status, str(pod.restarts), _age(state, manifest), *where]


def _deployment(state: State, manifest: Manifest) -> list[str]:
    work = state.workloads[ref_of(manifest)]
    counts = [f"{work.ready}/{work.desired}", str(work.updated), str(work.ready)]
    return [*counts, _age(state, manifest), _images(manifest)]


def _stateful_set(state: State, manifest: Manifest) -> list[str]:
    work = state.workloads[ref_of(manifest)]
    return [f"{work.ready}/{work.desired}", _age(state, manifest), _images(manifest)]


def _daemon_set(state: State, manifest: Manifest) -> list[str]:
    work = state.workloads[ref_of(manifest)]
    return [
        str(work.desired),
        str(len(work.pods)),
        str(work.ready),
        _age(state, manifest),
        _images(manifest),
    ]


def _replica_set(state: State, manifest: Manifest) -> list[str]:
    status = manifest["status"]
    return [
        str(status["desired"]),
        str(status["replicas"]),
        str(status["readyReplicas"]),
        _age(state, manifest),
    ]


def _service(state: State, manifest: Manifest) -> list[str]:
    ports = ",".join(
        f"{p.get('port')}/{p.get('protocol', 'TCP')}" for p in items(manifest, "spec", "ports")
    )
    selector = ",".join(f"{k}={v}" for k, v in strings(manifest, "spec", "selector").items())
    kind = dig(manifest, "spec", "type", default="ClusterIP")
    address = dig(manifest, "spec", "clusterIP", default="<none>")
    return [kind, address, ports, _age(state, manifest), selector or "<none>"]


def _endpoints(state: State, manifest: Manifest) -> list[str]:
    found = [
        f"{address}:{port}"
        for subset in items(manifest, "subsets")
        for address in subset["addresses"]
        for port in subset["ports"]
    ]
    return [",".join(found) or "<none>", _age(state, manifest)]


def _node(state: State, manifest: Manifest) -> list[str]:
    status = "Ready" + (",SchedulingDisabled" if dig(manifest, "spec", "unschedulable") else "")
    taints = [
        f"{t['key']}={t.get('value', '')}:{t.get('effect')}"
        for t in items(manifest, "spec", "taints")
    ]
    if manifest["metadata"]["name"] in state.pressed:
        taints.append("node.kubernetes.io/memory-pressure:NoSchedule")
    return [status, _age(state, manifest), ",".join(taints) or "<none>"]


def _claim(state: State, manifest: Manifest) -> list[str]:
    ref = ref_of(manifest)
    bound = state.bound[ref.namespace, ref.name]
    size = dig(manifest, "spec", "resources", "requests", "storage", default="")
    modes = ",".join(dig(manifest, "spec", "accessModes", default=[]))
    name = dig(manifest, "spec", "storageClassName", default="<default>")
    status = ["Bound", size] if bound else ["Pending", ""]
    return [*status, modes, name, _age(state, manifest)]


def _config(state: State, manifest: Manifest) -> list[str]:
    entries = strings(manifest, "data") | strings(manifest, "stringData")
    return [str(len(entries)), _age(state, manifest)]


def _secret(state: State, manifest: Manifest) -> list[str]:
    return [dig(manifest, "type", default="Opaque"), *_config(state, manifest)]


def _policy(state: State, manifest: Manifest) -> list[str]:
    labels = strings(manifest, "spec", "podSelector", "matchLabels")
    return [",".join(f"{k}={v}" for k, v in labels.items()) or "<none>", _age(state, manifest)]


def _quota(state: State, manifest: Manifest) -> list[str]:
    used = state.admission.used(ref_of(manifest).namespace)
    parts = [
        f"{name}: {quantity_text(name, used.get(name, amount(0)))}/{hard}"
        for name, hard in strings(manifest, "spec", "hard").items()
    ]
    return [", ".join(parts), _age(state, manifest)]


def _binding(state: State, manifest: Manifest) -> list[str]:
    role = f"{dig(manifest, 'roleRef', 'kind')}/{dig(manifest, 'roleRef', 'name')}"
    return [role, _age(state, manifest)]


def _budget(state: State, manifest: Manifest) -> list[str]:
    spec = manifest["spec"]
    limits = [str(spec.get(name, "N/A")) for name in ("minAvailable", "maxUnavailable")]
    return [*limits, _age(state, manifest)]


def _images(manifest: Manifest) -> str:
    return ",".join(
        str(c.get("image")) for c in items(manifest, "spec", "template", "spec", "containers")
    )


def replica_set_manifest(state: State, found: ReplicaSet) -> Manifest:
    """Return a ReplicaSet as the API server shows it."""
    pods = [pod for pod in state.pods if pod.replica_set == found.name]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": found.name,
            "namespace": found.owner.namespace,
            "labels": strings(found.template, "metadata", "labels"),
            "creationTimestamp": f"{found.created:%Y-%m-%dT%H:%M:%SZ}",
            "annotations": {"deployment.kubernetes.io/revision": str(found.revision)},
            "ownerReferences": [{"kind": found.owner.kind, "name": found.owner.name}],
        },
        "spec": {"replicas": found.desired, "template": found.template},
        "status": {
            "desired": found.desired,
            "replicas": len(pods),
            "readyReplicas": sum(pod.ready for pod in pods),
        },
    }


def endpoints_manifest(state: State, service: Manifest) -> Manifest:
    """Return the endpoints of a service as the API server shows them."""
    served = [(pod, ports) for pod, ports in state.network.endpoints(service) if ports]
    ports = sorted({number for _, numbers in served for number in numbers.values()})
    subsets = [{"addresses": [pod.ip for pod, _ in served], "ports": ports}] if served else []
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": dict(service["metadata"]),
        "subsets": subsets,
    }


_Cells = Callable[["State", Manifest], list[str]]
_COLUMNS: Mapping[str, tuple[list[str], _Cells]] = {
    "ConfigMap": (["DATA", "AGE"], _config),
    "ClusterRoleBinding": (["ROLE", "AGE"], _binding),
    "DaemonSet": (["DESIRED", "CURRENT", "READY", "AGE", "IMAGES"], _daemon_set),
    "Deployment": (["READY", "UP-TO-DATE", "AVAILABLE", "AGE", "IMAGES"], _deployment),
    "Endpoints": (["ENDPOINTS", "AGE"], _endpoints),
    "NetworkPolicy": (["POD-SELECTOR", "AGE"], _policy),
    "Node": (["STATUS", "AGE", "TAINTS"], _node),
    "PersistentVolumeClaim": (
        ["STATUS", "CAPACITY", "ACCESS MODES", "STORAGECLASS", "AGE"],
        _claim,
    ),
    "Pod": (["READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"], _pod),
    "PodDisruptionBudget": (["MIN AVAILABLE", "MAX UNAVAILABLE", "AGE"], _budget),
    "ReplicaSet": (["DESIRED", "CURRENT", "READY", "AGE"], _replica_set),
    "ResourceQuota": (["USED/HARD", "AGE"], _quota),
    "RoleBinding": (["ROLE", "AGE"], _binding),
    "Secret": (["TYPE", "DATA", "AGE"], _secret),
    "Service": (["TYPE", "CLUSTER-IP", "PORT(S)", "AGE", "SELECTOR"], _service),
    "StatefulSet": (["READY", "AGE", "IMAGES"], _stateful_set),
}
