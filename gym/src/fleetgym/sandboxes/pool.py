"""Keeps tool servers warm and lends one to each episode, whatever is around them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from fleetgym import home
from fleetgym.contracts.errors import SandboxError
from fleetgym.contracts.json import digest
from fleetgym.sandboxes.server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from fleetgym.contracts.sandbox import Sandbox, SandboxSpec
    from fleetgym.contracts.tools import ToolCall, ToolResult

__all__ = ["Launch", "Launcher", "Pool"]

_MAX_IDLE = 8

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How a server of a kind is started."""

    command: list[str]
    environment: dict[str, str]
    mounts: dict[str, str]
    """Where the mounts are, as the server sees them; ``data`` among them."""


class Launcher(Protocol):
    """What tells the kinds apart."""

    kind: str

    def prepare(self, spec: SandboxSpec, place: Path) -> Launch:
        """Return how to start a server; ``place`` is its own, with the folder ``data``.

        Raises:
            MissingDependency: This machine lacks what it needs.
        """
        ...


@dataclass(slots=True)
class _Server:
    process: ServerProcess
    place: Path
    mounts: Mapping[str, str]
    key: str
    spec: SandboxSpec


@dataclass(slots=True)
class _Idle:
    by_key: defaultdict[str, list[_Server]] = field(
        default_factory=lambda: defaultdict[str, "list[_Server]"](list)
    )
    lock: threading.Lock = field(default_factory=threading.Lock)


class Pool:
    """A :class:`fleetgym.contracts.sandbox.SandboxProvider` for any kind."""

    def __init__(self, launcher: Launcher) -> None:
        """Prepare; the first sandbox starts the first server."""
        self.kind = launcher.kind
        self._launcher = launcher
        self._idle = _Idle()
        self._all: set[int] = set()
        self._servers: dict[int, _Server] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="sandboxes", daemon=True
        )
        self._started = False
        self._closed = False

    def open(self, spec: SandboxSpec, data: Path) -> Sandbox:
        """Lend a warm server, or start one."""
        if self._closed:
            raise SandboxError("The sandboxes have been closed.")
        key = _key(spec)
        with self._idle.lock:
            if not self._started:
                self._thread.start()
                self._started = True
            waiting = self._idle.by_key[key]
            server = waiting.pop() if waiting else None
        if server is None:
            server = self._start(spec, key)
        try:
            _place(data, server.place / "data")
            self.run(server.process.open(server.mounts, spec.limits))
        except BaseException:
            self._discard(server)
            raise
        return _Lent(self, server)

    def close(self) -> None:
        """End every server."""
        self._closed = True
        with self._idle.lock:
            servers = list(self._servers.values())
            self._idle.by_key.clear()
        for server in servers:
            self._discard(server)
        if self._started:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=10)
            if not self._thread.is_alive():
                self._loop.close()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run ``work`` in the pool's event loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _start(self, spec: SandboxSpec, key: str) -> _Server:
        place = Path(tempfile.mkdtemp(prefix="jail-", dir=home.cache("jails")))
        (place / "data").mkdir()
        (place / "scratch").mkdir()
        try:
            launch = self._launcher.prepare(spec, place)
            process = self.run(ServerProcess.start(launch.command, launch.environment))
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        server = _Server(process, place, launch.mounts, key, spec)
        with self._idle.lock:
            self._servers[id(server)] = server
        return server

    def give_back(self, server: _Server) -> None:
        """End the episode on ``server`` and keep it warm, unless it misbehaved."""
        sound = self.run(server.process.close())
        for path in (server.place / "data").iterdir():
            path.unlink()
        with self._idle.lock:
            keep = sound and not self._closed and len(self._idle.by_key[server.key]) < _MAX_IDLE
            if keep:
                self._idle.by_key[server.key].append(server)
        if not keep:
            self._discard(server)

    def _discard(self, server: _Server) -> None:
        with self._idle.lock:
            known = self._servers.pop(id(server), None)
        if known is not None:
            self.run(server.process.kill())
            shutil.rmtree(server.place, ignore_errors=True)


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
        if server is not None:
            self._pool.give_back(server)


def _place(data: Path, target: Path) -> None:
    """Put an instance's files where the server sees them; a link where the file system allows."""
    for source in data.iterdir():
        try:
            os.link(source, target / source.name)
        except OSError:
            with contextlib.suppress(FileExistsError):
                shutil.copyfile(source, target / source.name)


def _key(spec: SandboxSpec) -> str:
    mounts = {name: str(path) for name, path in spec.mounts.items()}
    return digest([list(spec.toolsets), mounts, repr(spec.limits)])
