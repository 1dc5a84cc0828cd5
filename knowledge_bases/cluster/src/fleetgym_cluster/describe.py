"""What `kubectl describe` prints: the object, what became of it, its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from fleetgym_cluster.objects import Manifest, dig, items, ref_of, strings
from fleetgym_cluster.quantity import amount, cpu_text, memory_text, quantity_text
from fleetgym_cluster.tables import endpoints_manifest, event_rows, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetgym_cluster.pods import Container
    from fleetgym_cluster.reconcile import State

__all__ = ["describe", "shown"]

_EVENTS = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]


def describe(state: State, manifest: Manifest) -> str:
    """Return the description of one object."""
    ref = ref_of(manifest)
    lines = list(_pod(state, manifest) if ref.kind == "Pod" else _object(state, manifest))
    rows = event_rows(state, ref.namespace, ref)
    return "\n".join([*lines, "Events:", table(_EVENTS, rows) if rows else "  <none>"])


def shown(manifest: Manifest) -> Manifest:
    """Return a manifest as agents may see it: what secrets hold is not."""
    if manifest.get("kind") != "Secret":
        return manifest
    hidden = {
        part: dict.fromkeys(strings(manifest, part), "<hidden>")
        for part in ("data", "stringData")
        if part in manifest
    }
    return {**manifest, **hidden}


def _object(state: State, manifest: Manifest) -> Iterator[str]:
    ref = ref_of(manifest)
    yield from _head(manifest)
    body = {
        k: v
        for k, v in shown(manifest).items()
        if k not in ("apiVersion", "kind", "metadata", "status")
    }
    yield _yaml(body)
    match ref.kind:
        case "Deployment" | "StatefulSet" | "DaemonSet":
            work = state.workloads[ref]
            yield (
                f"Replicas:     {work.desired} desired | {work.updated} updated | "
                f"{len(work.pods)} total | {work.ready} available"
            )
            yield f"Healthy:      {work.healthy}"
        case "Service":
            subsets = endpoints_manifest(state, manifest)["subsets"]
            found = [f"{a}:{p}" for s in subsets for a in s["addresses"] for p in s["ports"]]
            yield f"Endpoints:    {', '.join(found) or '<none>'}"
        case "Node":
            used = state.scheduler.used(ref.name)
            yield f"MemoryPressure: {ref.name in state.pressed}"
            yield "Allocated resources (requests):"
            yield f"  cpu     {cpu_text(used.get('cpu', amount(0)))}"
            yield f"  memory  {memory_text(used.get('memory', amount(0)))}"
            mine = [f"{p.namespace}/{p.name}" for p in state.pods if p.node == ref.name]
            yield f"Pods:         {', '.join(mine) or '<none>'}"
            yield _yaml({"status": manifest.get("status", {})})
        case "PersistentVolumeClaim":
            yield f"Status:       {'Bound' if state.bound[ref.namespace, ref.name] else 'Pending'}"
        case "ResourceQuota":
            used = state.admission.used(ref.namespace)
            for name, hard in strings(manifest, "spec", "hard").items():
                value = used.get(name, amount(0))
                yield f"  {name}: {quantity_text(name, value)} used of {hard}"
        case _:
            pass


def _pod(state: State, manifest: Manifest) -> Iterator[str]:
    pod = next(one for one in state.pods if one.name == manifest["metadata"]["name"])
    yield from _head(manifest)
    owner = pod.replica_set or pod.owner.name
    yield f"Controlled By:    {'ReplicaSet' if pod.replica_set else pod.owner.kind}/{owner}"
    yield f"Service Account:  {pod.account}"
    yield f"Node:             {pod.node or '<none>'}"
    yield f"IP:               {pod.ip or '<none>'}"
    yield f"Status:           {pod.status}"
    yield "Containers:"
    for container in pod.containers or ():
        yield from _container(container)
    for spec in items(pod.spec, "containers") if not pod.containers else ():
        yield _yaml({str(spec.get("name")): spec}, 2)
    for name in (
        "volumes",
        "nodeSelector",
        "tolerations",
        "affinity",
        "securityContext",
        "imagePullSecrets",
    ):
        if name in pod.spec:
            yield _yaml({name: pod.spec[name]})


def _container(container: Container) -> Iterator[str]:
    yield f"  {container.name}:"
    state = f"Waiting ({container.reason})" if container.state == "Waiting" else container.state
    yield f"    State:          {state}"
    if container.last_reason:
        last = f"{container.last_reason}, exit code {container.exit_code}"
        yield f"    Last State:     Terminated, reason {last}"
    yield f"    Ready:          {container.ready}"
    yield f"    Restart Count:  {container.restarts}"
    yield _yaml({k: v for k, v in container.spec.items() if k != "name"}, 4)


def _head(manifest: Manifest) -> Iterator[str]:
    ref = ref_of(manifest)
    yield f"Name:         {ref.name}"
    if ref.namespace:
        yield f"Namespace:    {ref.namespace}"
    for title in ("labels", "annotations"):
        entries = [f"{k}={v}" for k, v in strings(manifest, "metadata", title).items()]
        if entries:
            yield f"{title.capitalize() + ':':13} {', '.join(entries)}"
    yield f"Created:      {dig(manifest, 'metadata', 'creationTimestamp', default='<unknown>')}"


def _yaml(value: Any, indent: int = 0) -> str:
    text = yaml.safe_dump(value, sort_keys=False, default_flow_style=False, width=100).rstrip()
    return "\n".join(" " * indent + line for line in text.splitlines())
