"""What a node does that runs out of memory: it sends pods away."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from fleetgym_cluster.objects import Ref, strings
from fleetgym_cluster.pods import Event, requests_of
from fleetgym_cluster.quantity import MI, amount, memory_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from fleetgym_cluster.objects import Manifest
    from fleetgym_cluster.pods import Pod

__all__ = ["RESERVED_MIB", "relieve", "used_mib"]

RESERVED_MIB = 700
"""What the system itself takes of a node's memory."""


def used_mib(pod: Pod) -> int:
    """Return what a pod's programs take, in MiB."""
    return sum(one.program.memory_mib for one in pod.containers if one.program is not None)


def relieve(node: Manifest, pods: Iterable[Pod], now: datetime) -> Sequence[Event]:
    """Evict pods of a node until its memory suffices, first those furthest above their requests.

    Returns:
        What the node reports; nothing when there was no need.
    """
    name = str(node["metadata"]["name"])
    room = amount(strings(node, "status", "allocatable").get("memory", "0")) - RESERVED_MIB * MI
    running = [pod for pod in pods if pod.node == name and pod.started]
    taken = Decimal(sum(map(used_mib, running)) * MI)
    if taken <= room:
        return ()
    for pod in sorted(running, key=lambda pod: (_above(pod), pod.name), reverse=True):
        if taken <= room:
            break
        taken -= used_mib(pod) * MI
        _evict(pod, now)
    message = f"Node {name} status is now: NodeHasInsufficientMemory"
    return [
        Event(
            at=now, ref=Ref("Node", "", name), type="Warning", reason="NodeHasInsufficientMemory",
            message=message, count=3, source=f"kubelet, {name}",
        )
    ]  # fmt: skip


def _above(pod: Pod) -> Decimal:
    """Return by how much a pod exceeds what it asked for, in bytes."""
    return used_mib(pod) * MI - requests_of(pod.spec).get("memory", Decimal(0))


def _evict(pod: Pod, now: datetime) -> None:
    asked = memory_text(requests_of(pod.spec).get("memory", Decimal(0)))
    told = (
        f"The node was low on resource: memory. Container {pod.containers[0].name} was using "
        f"{used_mib(pod)}Mi, request is {asked}, has larger consumption of memory"
    )
    pod.started, pod.evicted = False, True
    pod.note("Evicted", told, at=now, warning=True, count=6)
    for container in pod.containers:
        container.state, container.reason, container.last_reason = "Terminated", "Error", "Error"
        container.exit_code = 137
