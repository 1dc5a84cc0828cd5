"""The kinds of sandboxes by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym.contracts.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fleetgym.contracts.sandbox import SandboxProvider, SandboxSpec
    from fleetgym.contracts.tools import ToolSpec
    from fleetgym.sandboxes.launch import Launcher
    from fleetgym.sandboxes.pool import Pool

__all__ = ["KINDS", "list_tools", "provider"]

KINDS = ("local", "docker", "none")


def provider(kind: str, *, max_idle: int | None = None) -> SandboxProvider:
    """Return a provider of sandboxes; the caller closes it.

    Args:
        kind: One of :data:`KINDS`.
        max_idle: Warm servers that are kept when nobody uses them.

    Raises:
        UnknownName: There is no such kind.
        MissingDependency: This machine lacks what the kind needs.
        OperatorError: The state directory cannot be written.
    """
    return _pool(kind, max_idle)


def list_tools(kind: str, spec: SandboxSpec, data: Path) -> Sequence[ToolSpec]:
    """Start a foreign server as an episode would and return the tools that it lists.

    Raises:
        SandboxError: It could not be started, or does not speak MCP.
        SpecError: Its tools cannot be offered to agents; and whatever :func:`provider` raises.
    """
    pool = _pool(kind, 0)
    try:
        return pool.tools(spec, data)
    finally:
        pool.close()


def _pool(kind: str, max_idle: int | None) -> Pool:
    from fleetgym.sandboxes.pool import MAX_IDLE, Pool  # noqa: PLC0415 - imports MCP

    return Pool(_launcher(kind), max_idle=MAX_IDLE if max_idle is None else max_idle)


def _launcher(kind: str) -> Launcher:
    if kind == "local":
        from fleetgym.sandboxes.bubblewrap import Bubblewrap, find_bubblewrap  # noqa: PLC0415

        return Bubblewrap(find_bubblewrap())
    if kind == "docker":
        from fleetgym.sandboxes.docker_container import Containers  # noqa: PLC0415 - imports docker

        return Containers()
    if kind == "none":
        from fleetgym.sandboxes.unconfined import Unconfined  # noqa: PLC0415

        return Unconfined()
    raise UnknownName("sandbox", kind, KINDS)
