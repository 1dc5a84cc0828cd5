"""Warm processes that have one run each, where one process could not keep its runs apart.

They lie ready in a directory, a socket each. Lanes take one by renaming it, which only one of them
can; when it has ended, the runner puts another in its place.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgym.contracts.errors import SandboxError
from fleetgym.executors.connection import Connection
from fleetgym.executors.parent import FrameworkParent

if TYPE_CHECKING:
    from fleetgym.executors.connection import Job, WorkerHandle
    from fleetgym.executors.launch import Launcher
    from fleetgym.registry import RegisteredFramework

__all__ = ["SingleParents", "SingleRuns"]

_READY = ".sock"
_PATIENCE_S = 180.0
_PAUSE_S = 0.02


class SingleParents:
    """The runner's side: keeps so many processes of one framework ready."""

    def __init__(self, parents: list[FrameworkParent]) -> None:
        """Belong to them; use :meth:`start`."""
        self._parents = parents

    @classmethod
    async def start(
        cls, framework: RegisteredFramework, launcher: Launcher, directory: str, *, count: int
    ) -> SingleParents:
        """Start them and wait until one at least is ready.

        Raises:
            OperatorError: The first could not be started, or the framework not imported.
        """
        folder = Path(directory)
        await asyncio.to_thread(folder.mkdir)
        made = cls([])

        async def one(index: int) -> None:
            path = str(folder / f"{index}{_READY}")
            made._parents.append(
                await FrameworkParent.start(framework, launcher, path, single=True)
            )

        # The first tells whether it can be done at all.
        try:
            await one(0)
            await asyncio.gather(*(one(index) for index in range(1, count)))
        except BaseException:
            await made.close()
            raise
        return made

    async def close(self) -> None:
        """End all of them, and their runs."""
        await asyncio.gather(*(parent.close() for parent in self._parents))


class SingleRuns:
    """A lane's side."""

    def __init__(self, directory: str) -> None:
        """Take processes from where :class:`SingleParents` has put them."""
        self._folder = Path(directory)
        self._numbers = itertools.count()
        self._connections: set[asyncio.Task[None]] = set()

    async def spawn(self, job: Job) -> WorkerHandle:
        """Take a process and start the run in it.

        Raises:
            SandboxError: None became ready.
        """
        connection = await self._take()
        handle = await connection.spawn(job)
        task = asyncio.create_task(_hang_up(connection, handle))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        return handle

    async def close(self) -> None:
        """Hang up on all that are left."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _take(self) -> Connection:
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE_S
        while loop.time() < until:
            for ready in sorted(self._folder.glob(f"*{_READY}")):
                taken = ready.with_suffix(f".{os.getpid()}-{next(self._numbers)}")
                try:
                    ready.rename(taken)
                    connection = Connection(str(taken))
                    await connection.open()
                except OSError:  # another lane's, or it has just died
                    continue
                taken.unlink()
                return connection
            await asyncio.sleep(_PAUSE_S)
        raise SandboxError(f"No process of the framework became ready within {_PATIENCE_S:.0f} s.")


async def _hang_up(connection: Connection, handle: WorkerHandle) -> None:
    try:
        await handle.gone()
    finally:
        await connection.close()
