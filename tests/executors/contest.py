"""A framework that is warm under a kind of isolation, and episodes for it to play."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleetgym.executors import kinds
from fleetgym.executors.connection import Runs, WorkerExit, WorkerHandle
from fleetgym.executors.launch import Launcher
from fleetgym.executors.serving import serve_run
from fleetgym.registry import RegisteredFramework
from world import World, world


@dataclass
class Arena:
    """A framework that is warm, and what plays runs of it."""

    launcher: Launcher
    runs: Runs
    folder: Path
    warm: Any
    stack: AsyncExitStack
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    serving: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    async def start(self, here: World, **parameters: Any) -> WorkerHandle:
        """Start a run of this episode."""
        if not self.launcher.private_network:
            return await self.runs.spawn(here.job(**parameters))
        handle = await self.runs.spawn(here.private_job(**parameters))
        self.serving.add(asyncio.create_task(serve_run(here.server, handle)))
        return handle

    async def episode(self, **options: Any) -> World:
        """Return another episode, open until the test ends."""
        own = self.folder / f"w{next(self.numbers)}"
        own.mkdir()
        return await self.stack.enter_async_context(world(own, **options))

    async def watched_episode(self) -> tuple[World, asyncio.Event]:
        """Return another one, and what is set when a tool has been called in it."""
        called = asyncio.Event()

        def note(step: object) -> None:
            del step
            called.set()

        return await self.episode(on_step=note), called

    async def play(self, do: str, argument: Any = None) -> WorkerExit:
        """Return how a run of an episode of its own ended."""
        handle = await self.start(await self.episode(), do=do, **{"with": argument})
        return await handle.wait()

    async def close(self) -> None:
        await self.runs.close()
        await self.warm.close()
        await asyncio.gather(*self.serving)


async def arena(
    kind: str | Launcher, framework: RegisteredFramework, folder: Path, stack: AsyncExitStack
) -> Arena:
    """Return a warm framework, which ends with ``stack``."""
    launcher = kinds.launcher(kind) if isinstance(kind, str) else kind
    path = str(folder / "a")
    warm = await kinds.warm(framework, launcher, path, count=2)
    made = Arena(launcher, await kinds.reach(path), folder, warm, stack)
    stack.push_async_callback(made.close)
    return made
