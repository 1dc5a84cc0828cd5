"""Keeps tool servers warm and lends one to each episode, whatever is around them.

All state belongs to one event loop in a thread of its own, so there is nothing to lock: the
synchronous methods hand a coroutine to the loop and wait.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections import deque
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from fleetgym import home
from fleetgym.contracts.errors import OperatorError, SandboxError
from fleetgym.sandboxes.foreign_server import ForeignServer
from fleetgym.sandboxes.fresh import FreshServers, start_ahead
from fleetgym.sandboxes.jails import Jails, clear_data, fill_data
from fleetgym.sandboxes.server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Coroutine, Hashable, Mapping, Sequence
    from pathlib import Path

    from fleetgym.contracts.sandbox import Sandbox, SandboxSpec
    from fleetgym.contracts.tools import ToolCall, ToolResult, ToolSpec
    from fleetgym.sandboxes.launch import Launcher

__all__ = ["MAX_IDLE", "Pool"]

MAX_IDLE = 16
"""Warm servers that are kept when nobody uses them; each holds what its toolsets import."""

_T = TypeVar("_T")


@dataclass(slots=True, eq=False)
class _Server:
    process: ServerProcess
    jail: Path
    mounts: Mapping[str, str]
    spec: SandboxSpec

    @property
    def alive(self) -> bool:
        return self.process.alive


class Pool:
    """A :class:`fleetgym.contracts.sandbox.SandboxProvider` for any kind."""

    def __init__(self, launcher: Launcher, *, max_idle: int = MAX_IDLE) -> None:
        """Prepare; the first sandbox starts the first server.

        Raises:
            OperatorError: The state directory cannot be written.
        """
        self.kind = launcher.kind
        self._launcher = launcher
        self._max_idle = max_idle
        try:
            self._jails = Jails(home.cache("jails"))
        except OSError as error:
            raise OperatorError(
                f"The state directory {str(home.home())!r} cannot be used: {error.strerror}. Set "
                "FLEETGYM_HOME to a directory that can be written."
            ) from error
        self._servers: set[_Server] = set()
        self._idle: list[_Server] = []
        """The one used last comes last."""
        self._starting: dict[Hashable, deque[asyncio.Task[_Server]]] = {}
        """What somebody has asked for who will want it soon."""
        self._fresh = FreshServers[_Server](self._discard, most=max_idle)
        self._closing = threading.Lock()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        # The kernel ends a server when the thread that started it ends, so this one stays.
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="sandboxes", daemon=True
        )
        self._thread.start()

    def open(self, spec: SandboxSpec, data: Path) -> Sandbox:
        """Lend a warm server, or start one."""
        return _Lent(self, self.run(self.lend(spec, data)))

    def prepare(self, spec: SandboxSpec) -> None:
        """Begin to start a server, if none waits."""
        with self._closing:
            if not self._closed:
                self._loop.call_soon_threadsafe(self._prepare, spec)

    def close(self) -> None:
        """End every server; calls under way fail."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            ended = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        ended.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._launcher.close()
        self._jails.close()

    def provenance(self, spec: SandboxSpec) -> Mapping[str, str]:
        """Return what the servers of ``spec`` were made of."""
        return self._launcher.provenance(spec)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run ``work`` in the pool's event loop and wait for it, from any other thread.

        Raises:
            SandboxError: The pool was closed.
        """
        with self._closing:
            if self._closed:
                work.close()
                raise SandboxError("The sandboxes have been closed.")
            done = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return done.result()
        except CancelledError as error:
            raise SandboxError("The sandboxes were closed meanwhile.") from error

    def tools(self, spec: SandboxSpec, data: Path) -> Sequence[ToolSpec]:
        """Return what a foreign server lists; raises as :meth:`open` does."""

        async def listed() -> Sequence[ToolSpec]:
            server = await self.lend(spec, data)
            await self.give_back(server)
            assert isinstance(server.process, ForeignServer)
            return server.process.tools

        return self.run(listed())

    async def lend(self, spec: SandboxSpec, data: Path) -> _Server:
        """Return a server with an open episode."""
        if spec.foreign and not spec.prestart:
            return await self._start(spec, data)
        if spec.foreign:
            server = await self._fresh.take(_key(spec), lambda: self._start(spec))
        else:
            server = self._take_warm(spec) or await self._take_starting(spec)
        try:
            await _fill(server.jail, data)
            await server.process.open(server.mounts, spec.limits)
        except BaseException:
            await self._discard(server)
            raise
        return server

    async def give_back(self, server: _Server) -> None:
        """End the episode on ``server`` and keep it warm, unless it misbehaved."""
        if not await server.process.close():
            await self._discard(server)
            return
        clear_data(server.jail)
        self._idle.append(server)
        if len(self._idle) > self._max_idle:
            await self._discard(self._idle.pop(0))

    def _prepare(self, spec: SandboxSpec) -> None:
        key = _key(spec)
        if spec.foreign:
            if spec.prestart:
                self._fresh.prepare(key, lambda: self._start(spec))
            return
        starting = self._starting.setdefault(key, deque())
        if len(starting) < self._max_idle and all(_key(s.spec) != key for s in self._idle):
            starting.append(start_ahead(self._start(spec)))

    async def _take_starting(self, spec: SandboxSpec) -> _Server:
        starting = self._starting.get(_key(spec))
        while starting:
            server = await starting.popleft()
            if server.alive:
                return server
            await self._discard(server)
        return await self._start(spec)

    def _take_warm(self, spec: SandboxSpec) -> _Server | None:
        wanted = _key(spec)
        for server in reversed(self._idle):
            if _key(server.spec) == wanted and server.process.alive:
                self._idle.remove(server)
                return server
        return None

    async def _start(self, spec: SandboxSpec, data: Path | None = None) -> _Server:
        jail = self._jails.make()
        try:
            if data is not None:
                await _fill(jail, data)
            launch = self._launcher.prepare(spec, jail)
            if spec.foreign:
                process = await ForeignServer.start_for(spec, launch)
            else:
                process = await ServerProcess.start(launch)
        except BaseException:
            shutil.rmtree(jail, ignore_errors=True)
            raise
        server = _Server(process, jail, launch.mounts, spec)
        self._servers.add(server)
        return server

    async def _discard(self, server: _Server) -> None:
        self._servers.discard(server)
        await server.process.kill()
        if not self._closed:  # else it goes with all the others; and Python may be ending
            await asyncio.to_thread(shutil.rmtree, server.jail, ignore_errors=True)

    async def _end(self) -> None:
        me = asyncio.current_task()
        await self._fresh.close()
        await asyncio.gather(*(self._discard(server) for server in list(self._servers)))
        others = asyncio.all_tasks() - {me}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class _Lent:
    """A server for the time of one episode."""

    def __init__(self, pool: Pool, server: _Server) -> None:
        self.kind = pool.kind
        self._pool = pool
        self._server: _Server | None = server

    def call(self, call: ToolCall) -> ToolResult:
        if self._server is None:
            raise SandboxError("The sandbox has been closed.")
        return self._pool.run(self._server.process.call(call))

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None and not self._pool.closed:
            self._pool.run(self._pool.give_back(server))


async def _fill(jail: Path, data: Path) -> None:
    try:
        await asyncio.to_thread(fill_data, jail, data)
    except OSError as error:
        raise SandboxError(
            f"The sandbox could not be given the files of {str(data)!r}: {error}."
        ) from error


def _key(spec: SandboxSpec) -> Hashable:
    mounts = tuple(sorted(spec.mounts.items()))
    return spec.toolsets, spec.server, spec.catalogue, mounts, spec.limits, spec.image
