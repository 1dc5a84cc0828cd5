"""What manifests do not say: what the images do, what has happened, what time it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003 - pydantic reads the annotations
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003
from typing import Any

from pydantic import TypeAdapter

from fleetgym_cluster.objects import Manifest, Objects

__all__ = ["Cluster", "Past", "Program", "Revision", "World"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What an image does when it runs."""

    port: int = 0
    """Where it listens; 0: nowhere."""

    alive: str = "/healthz"
    """HTTP path that answers as soon as it has started."""

    ready: str = "/readyz"
    """HTTP path that answers with 503 while something that it calls is out of reach."""

    memory_mib: int = 64
    """What it needs; with less it is killed."""

    cpu_m: int = 20
    """Thousandths of a CPU that it uses."""

    start_s: int = 3
    """Seconds until it listens."""

    settings: tuple[str, ...] = ()
    """Environment variables without which it ends."""

    calls: tuple[str, ...] = ()
    """Those of them that hold addresses of services that it needs."""

    flags: tuple[str, ...] = ()
    """The arguments that it knows; any, when empty."""

    asks: tuple[tuple[str, str], ...] = ()
    """Verbs and resources of the Kubernetes API that it needs in its own namespace."""

    user: int = 1000
    """The user that its image says."""

    writes: str = ""
    """A directory that it has to write to."""

    private: bool = False
    """Whether its registry asks for credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A template that a workload has had."""

    number: int
    at: datetime
    cause: str
    """As ``kubernetes.io/change-cause`` says it."""

    template: Manifest
    completed: bool = True
    """Whether its rollout came to an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """An event that nothing in the present explains."""

    at: datetime
    kind: str
    namespace: str
    name: str
    type: str
    reason: str
    message: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All of it."""

    now: datetime
    images: Mapping[str, Program] = field(default_factory=dict[str, Program])
    """By full name, tag included; others do not exist."""

    storage: Mapping[str, Sequence[str]] = field(default_factory=dict[str, "Sequence[str]"])
    """Access modes that each storage class provides."""

    history: Mapping[str, Sequence[Revision]] = field(
        default_factory=dict[str, "Sequence[Revision]"]
    )
    """By workload, as ``Ref`` prints it; oldest first, the last one is the present."""

    past: Sequence[Past] = ()
    remarks: Mapping[str, Sequence[str]] = field(default_factory=dict[str, "Sequence[str]"])
    """Further lines in the logs of a workload's pods."""

    outside: Sequence[str] = ()
    """Hosts beyond the cluster that can be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Manifests in their world."""

    objects: Objects
    world: World

    def to_json(self) -> dict[str, Any]:
        """Return it in JSON's types."""
        world = _WORLD.dump_python(self.world, mode="json", exclude_defaults=True)
        return {"world": world, "manifests": self.objects.manifests()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cluster:
        """Return what :meth:`to_json` wrote."""
        world = _WORLD.validate_python(data["world"])
        return cls(objects=Objects(data["manifests"]), world=world)


_WORLD = TypeAdapter(World)
