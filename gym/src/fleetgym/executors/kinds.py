"""The kinds of isolation by name, and what a runner and a lane do with any of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fleetgym.contracts.errors import MissingDependency, UnknownName

if TYPE_CHECKING:
    from fleetgym.executors.connection import Runs
    from fleetgym.executors.launch import Launcher
    from fleetgym.registry import RegisteredFramework

__all__ = ["KINDS", "Warm", "launcher", "reach", "warm"]

KINDS = ("local", "docker", "none")


class Warm(Protocol):
    """What plays a framework's runs."""

    async def close(self) -> None:
        """End it, and all runs that it still has."""
        ...


def launcher(kind: str) -> Launcher:
    """Return what starts warm processes.

    Args:
        kind: One of :data:`KINDS`.

    Raises:
        UnknownName: There is no such kind.
        MissingDependency: This machine lacks what the kind needs.
    """
    if kind == "local":
        from fleetgym.executors.bubblewrap import Bubblewrap  # noqa: PLC0415

        try:
            return Bubblewrap()
        except MissingDependency as error:
            raise MissingDependency(
                f"Frameworks cannot be isolated here. {error} Or trust the plugins as well: "
                "`--isolate none`."
            ) from error
    if kind == "docker":
        from fleetgym.executors.container import Containers  # noqa: PLC0415

        return Containers()
    if kind == "none":
        from fleetgym.executors.unconfined import Unconfined  # noqa: PLC0415

        return Unconfined()
    raise UnknownName("isolation", kind, KINDS)


async def warm(
    framework: RegisteredFramework, launcher: Launcher, path: str, *, count: int
) -> Warm:
    """Make a framework ready to play runs, which lanes then :func:`reach`.

    Args:
        framework: Which one.
        launcher: How it is isolated.
        path: Where it can be reached; short.
        count: Runs that it may have at once.

    Raises:
        OperatorError: It could not be started, or the framework not imported.
    """
    from fleetgym.executors.parent import FrameworkParent, NotApart  # noqa: PLC0415
    from fleetgym.executors.singles import SingleParents  # noqa: PLC0415

    if not launcher.single():
        try:
            return await FrameworkParent.start(framework, launcher, path)
        except NotApart:
            launcher.part_by_processes()
    return await SingleParents.start(framework, launcher, path, count=count)


async def reach(path: str) -> Runs:
    """Return a lane's way to a framework that is warm.

    Raises:
        OperatorError: There is none.
    """
    from fleetgym.executors.connection import connect  # noqa: PLC0415
    from fleetgym.executors.singles import SingleRuns  # noqa: PLC0415

    return SingleRuns(path) if await asyncio.to_thread(Path(path).is_dir) else await connect(path)
