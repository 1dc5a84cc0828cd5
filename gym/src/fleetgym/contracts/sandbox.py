"""Where whatever an agent asks to be executed is executed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fleetgym.contracts.tools import ToolCall, ToolResult

__all__ = ["Limits", "OpenToolset", "Sandbox", "SandboxProvider", "SandboxSpec", "ToolFunction"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the tools of one episode may use."""

    memory_bytes: int = 2 * 1024**3
    """Address space of a process that executes queries; of a shell's or Python's call, memory of
    all its processes together, and address space of each.
    """

    call_seconds: float = 30.0
    """Wall-clock time of one call; past it the call is killed and the agent told so."""

    output_bytes: int = 64 * 1024
    """Of one result; the rest is cut, and the result says so."""

    cpus: float = 2.0
    """Processors that all of it may use together, where the kind of sandbox can tell."""

    processes: int = 64
    """Of one call, or started by toolsets themselves."""

    open_files: int = 256
    scratch_bytes: int = 64 * 1024**2
    """Of writable space, in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSpec:
    """What a sandbox must offer."""

    toolsets: tuple[str, ...]
    """Modules that are imported inside, each with ``SPECS`` and ``open_toolset``."""

    mounts: Mapping[str, Path] = field(default_factory=dict[str, Path])
    """Directories that every episode may read, by name; never the ground truth."""

    limits: Limits = field(default_factory=Limits)

    image: str = ""
    """Container image that holds the toolsets; empty: fleetgym's own. Only containers use it."""


class Sandbox(Protocol):
    """One episode's tool server. Not thread-safe."""

    kind: str
    """``local``, ``docker`` or ``none``."""

    def call(self, call: ToolCall) -> ToolResult:
        """Call a tool inside, hidden ones included.

        Raises:
            SandboxError: The sandbox, not the call, failed.
        """
        ...

    def close(self) -> None:
        """End the episode inside and give the sandbox back; may be called twice."""
        ...


class SandboxProvider(Protocol):
    """Opens sandboxes of one kind, and keeps warm ones. Thread-safe."""

    kind: str

    def open(self, spec: SandboxSpec, data: Path) -> Sandbox:
        """Return a sandbox for one episode.

        Args:
            spec: Sandboxes of equal specs share warm ones.
            data: The instance's own directory; read-only inside, as the mount ``data``.

        Raises:
            SandboxError: It could not be opened.
            MissingDependency: This machine lacks what it needs.
        """
        ...

    def provenance(self, spec: SandboxSpec) -> Mapping[str, str]:
        """Return what the sandboxes of ``spec`` were made of, for run records; may be empty."""
        ...

    def close(self) -> None:
        """End every sandbox, in use or warm."""
        ...


ToolFunction = Callable[..., str]
"""Takes the arguments by name and returns the result; raises ``ToolError`` for a wrong call."""

OpenToolset = Callable[[Mapping[str, Path], Limits], Mapping[str, ToolFunction]]
"""A toolset's ``open_toolset``: mounts (by name, ``data`` among them) and limits to functions."""
