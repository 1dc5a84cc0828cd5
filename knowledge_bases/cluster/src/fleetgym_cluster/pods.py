"""What is running: pods, their containers, and what was observed of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from fleetgym_cluster.objects import Manifest, Ref, dig, items, strings
from fleetgym_cluster.quantity import amount

if TYPE_CHECKING:
    from datetime import datetime

    from fleetgym_cluster.world import Program

__all__ = ["Container", "Event", "Pod", "requests_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that a component of the cluster reported."""

    at: datetime
    ref: Ref
    type: str
    """``Normal`` or ``Warning``."""

    reason: str
    message: str
    count: int = 1
    source: str = ""


@dataclass(slots=True, kw_only=True)
class Container:
    """One container of a pod."""

    name: str
    spec: Manifest
    program: Program | None = None
    ready: bool = False
    state: str = "Waiting"
    """``Running``, ``Waiting`` or ``Terminated``."""

    reason: str = "ContainerCreating"
    """Why it waits, or why it ended last."""

    message: str = ""
    last_reason: str = ""
    exit_code: int = 0
    restarts: int = 0
    logs: list[str] = field(default_factory=list[str])
    previous: list[str] = field(default_factory=list[str])

    def setting(self, name: str) -> str | None:
        """Return an environment variable's value, as far as it stands in the manifest itself."""
        return next(
            (str(e.get("value", "")) for e in items(self.spec, "env") if e.get("name") == name),
            None,
        )


@dataclass(slots=True, kw_only=True, eq=False)
class Pod:
    """One pod."""

    name: str
    namespace: str
    owner: Ref
    """The workload; not the ReplicaSet between."""

    replica_set: str
    """Empty for those of other workloads."""

    revision: int
    template: Manifest
    created: datetime
    node: str = ""
    ip: str = ""
    containers: list[Container] = field(default_factory=list[Container])
    claims: dict[str, str] = field(default_factory=dict[str, str])
    """Claims by volume, for what a StatefulSet's templates make."""

    events: list[Event] = field(default_factory=list[Event])
    started: bool = False
    """Every container runs and is alive."""

    evicted: bool = False
    """Its node ran out of memory and sent it away."""

    ready: bool = False
    current: bool = True
    """Whether its template is the workload's present one."""

    @property
    def spec(self) -> Manifest:
        """The pod's spec."""
        return dig(self.template, "spec", default={})

    @property
    def labels(self) -> dict[str, str]:
        """The pod's labels."""
        return strings(self.template, "metadata", "labels")

    @property
    def account(self) -> str:
        """The name of its service account."""
        return str(dig(self.spec, "serviceAccountName", default="default"))

    @property
    def status(self) -> str:
        """What ``kubectl get pods`` shows."""
        if self.evicted or not self.node:
            return "Evicted" if self.evicted else "Pending"
        waiting = next((c.reason for c in self.containers if c.state == "Waiting"), "")
        return waiting or "Running"

    @property
    def restarts(self) -> int:
        """Restarts of all its containers."""
        return sum(container.restarts for container in self.containers)

    def note(
        self, reason: str, message: str, *, at: datetime, warning: bool = False, count: int = 1
    ) -> None:
        """Add an event about this pod."""
        self.events.append(
            Event(
                at=at,
                ref=Ref("Pod", self.namespace, self.name),
                type="Warning" if warning else "Normal",
                reason=reason,
                message=message,
                count=count,
                source="default-scheduler" if reason in {"Scheduled", "FailedScheduling"}
                else f"kubelet, {self.node}",
            )
        )  # fmt: skip


def requests_of(spec: Manifest, part: str = "requests") -> dict[str, Decimal]:
    """Return what a pod's containers ask for together, or may use (``limits``), by resource.

    A request that is left out is the limit.
    """
    total: dict[str, Decimal] = {}
    for container in items(spec, "containers"):
        asked = strings(container, "resources", part)
        if part == "requests":
            asked = strings(container, "resources", "limits") | asked
        for name, value in asked.items():
            total[name] = total.get(name, Decimal(0)) + amount(value)
    return total
