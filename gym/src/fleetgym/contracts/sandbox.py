"""Where whatever an agent asks to be executed is executed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fleetgym.contracts.errors import SpecError

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

    toolsets: tuple[str, ...] = ()
    """Modules that are imported inside, each with ``SPECS`` and ``open_toolset``, and, for
    catalogues, ``SCOPES`` of its tools.
    """

    server: tuple[str, ...] = ()
    """Instead of toolsets: the command of any MCP server that speaks over its standard streams.

    Run inside, afresh for each episode. In each word, ``{data}`` and ``{NAME}`` of a mount stand
    for that directory inside, ``{scratch}`` for the writable one and ``{python}`` for the
    interpreter that has fleetgym's own packages.
    """

    catalogue: Path | None = None
    """JSON file with the tools that ``server`` has to list; None: whatever it lists."""

    prestart: bool = False
    """Whether ``server`` may be started before the files of its episode are there.

    True for one that opens them at a call, not at its start: fresh ones then wait for their
    episodes, which begin at once.
    """

    mounts: Mapping[str, Path] = field(default_factory=dict[str, Path])
    """Directories that every episode may read, by name; never the ground truth."""

    limits: Limits = field(default_factory=Limits)

    image: str = ""
    """Container image that holds the toolsets, or the server; empty: fleetgym's own.

    Only containers use it. Without toolsets, its entry point is the server, and ``server`` what
    that is told.
    """

    def __post_init__(self) -> None:
        """Reject what says twice, or not at all, where the tools come from."""
        if self.toolsets and self.server:
            raise SpecError(
                f"A sandbox has toolsets or a server, not both: {self.toolsets!r}, {self.server!r}."
            )
        if not (self.toolsets or self.server or self.image):
            raise SpecError("A sandbox needs toolsets, or the command or image of an MCP server.")

    @property
    def foreign(self) -> bool:
        """Whether the server is any MCP server, not fleetgym's own with toolsets."""
        return not self.toolsets


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

    def prepare(self, spec: SandboxSpec) -> None:
        """Begin to start what the next ``open`` of ``spec`` will need; returns at once.

        What goes wrong is told by ``open``.
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
