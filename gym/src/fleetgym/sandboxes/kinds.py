"""The kinds of sandboxes by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym.contracts.errors import UnknownName

if TYPE_CHECKING:
    from fleetgym.contracts.sandbox import SandboxProvider
    from fleetgym.sandboxes.launch import Launcher

__all__ = ["KINDS", "provider"]

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
