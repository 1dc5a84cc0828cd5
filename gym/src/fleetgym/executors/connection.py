"""A lane's side of a warm process: asks for runs, learns how they ended, is handed sockets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import json
import os
import socket
from collections import deque
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotation
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import TypeAdapter, ValidationError

from fleetgym.contracts.errors import OperatorError, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Connection", "Job", "Runs", "WorkerExit", "WorkerHandle", "connect"]

_LINE_LIMIT = 16 * 1024**2
_PATIENCE_S = 30.0
_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run for a framework's process."""

    episode_url: str
    token: str = field(repr=False)
    topology: str
    parameters: Mapping[str, Any]
    """The plugin's declared parameters, some of them overridden."""

    home: str = ""
    """An empty directory; the run's home, working directory and temporary directory. Empty where
    the warm process has homes for its runs.
    """

    port: int = 0
    """Where the run's process listens on its own loopback address, and hands the socket over to be
    served; 0: it shares ours.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerExit:
    """How a run's process ended."""

    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    closing_text: str = ""
    error: str | None = None
    """Type, message and place of what the framework raised."""

    exit_code: int | None = None
    signal: int | None = None
    cpu_s: float = 0.0
    """Of the process and those it has waited for."""

    peak_memory_bytes: int = 0
    """Resident, the pages that it shares with the warm process included."""


class Runs(Protocol):
    """Where a lane has runs started."""

    async def spawn(self, job: Job) -> WorkerHandle:
        """Start a run's process.

        Raises:
            SandboxError: The warm process has died, and none has taken its place.
        """
        ...

    async def close(self) -> None:
        """Hang up; runs that are not done are killed."""
        ...


async def connect(socket_path: str) -> Connection:
    """Connect to a warm process.

    Raises:
        OperatorError: There is none.
    """
    connection = Connection(socket_path)
    try:
        await connection.open()
    except OSError as error:
        raise OperatorError(
            f"No framework process listens at {socket_path!r} ({error.strerror})."
        ) from error
    return connection


class Connection:
    """One lane's connection to a warm process. When it is closed, its runs are killed."""

    def __init__(self, socket_path: str) -> None:
        """Prepare; use :func:`connect`."""
        self._path = socket_path
        self._runs: dict[int, WorkerHandle] = {}
        self._ids = itertools.count()
        self._channel: _Channel | None = None
        self._listening: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Connect.

        Raises:
            OSError: Nobody listens.
        """
        channel = _Channel(socket.socket(socket.AF_UNIX))
        try:
            await channel.connect(self._path)
            # The socket of a process that is dying can still be connected to, but answers nothing.
            greeting = await channel.read()
        except BaseException:
            channel.close()
            raise
        if not greeting:
            channel.close()
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        self._channel = channel
        self._listening = asyncio.create_task(self._listen(channel))

    async def lost(self) -> None:
        """Return when the warm process that it was opened to has died, or has been left."""
        if self._listening is not None:
            await asyncio.wait({self._listening})

    async def spawn(self, job: Job) -> WorkerHandle:
        """Start a run's process.

        Raises:
            SandboxError: The warm process has died, and none has taken its place.
        """
        await self._reopen()
        identity = next(self._ids)
        handle = WorkerHandle(lambda: self._tell({"do": "kill", "id": identity}))
        self._runs[identity] = handle
        try:
            self._tell({"do": "run", "id": identity, "job": asdict(job)})
            await handle.started()
        except asyncio.CancelledError:
            await handle.kill()
            raise
        return handle

    async def close(self) -> None:
        """Hang up."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def _reopen(self) -> None:
        """Connect again to the process that took the place of one that died."""
        async with self._opening:
            for _ in range(int(_PATIENCE_S / _PAUSE_S)):
                if self._channel is not None:
                    return
                with contextlib.suppress(OSError):
                    await self.open()
                    return
                await asyncio.sleep(_PAUSE_S)
        raise SandboxError(_LOST)

    def _tell(self, asked: Mapping[str, Any]) -> None:
        if self._channel is None:
            raise SandboxError(_LOST)
        self._channel.write(json.dumps(asked).encode() + b"\n")

    async def _listen(self, channel: _Channel) -> None:
        try:
            while line := await channel.read():
                self._take(json.loads(line), channel)
        except (OSError, ValueError, KeyError, TypeError):
            # What a plugin says who has taken over its process is no reason for us to fail.
            pass
        finally:
            self._channel = None
            for handle in self._runs.values():
                handle.take_loss()
            self._runs.clear()
            channel.close()

    def _take(self, told: Mapping[str, Any], channel: _Channel) -> None:
        if "exit" in told:
            ended = _exit(told["exit"])
            self._runs.pop(told["id"]).take_exit(ended)
        elif "listens" in told:
            self._runs[told["id"]].take_listener(channel.take_socket())
        else:
            self._runs[told["id"]].take_pid(int(told["pid"]))


class _Channel:
    """Lines to and from a unix socket, and the sockets that come with them."""

    def __init__(self, stream: socket.socket) -> None:
        stream.setblocking(False)
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._unread = bytearray()
        self._handed_over: deque[int] = deque()
        self._unsent = bytearray()

    async def connect(self, path: str) -> None:
        await self._loop.sock_connect(self._stream, path)

    async def read(self) -> bytes:
        """Return the next line; empty when there is none any more."""
        searched = 0
        while (end := self._unread.find(b"\n", searched)) < 0:
            searched = len(self._unread)
            heard, descriptors = await self._receive()
            self._handed_over.extend(descriptors)
            self._unread += heard
            if not heard or len(self._unread) > _LINE_LIMIT:
                return b""
        line = bytes(self._unread[: end + 1])
        del self._unread[: end + 1]
        return line

    async def _receive(self) -> tuple[bytes, list[int]]:
        while True:
            try:
                heard, descriptors, _, _ = socket.recv_fds(
                    self._stream, 1 << 16, 8, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                await self._readable()
            else:
                return heard, descriptors

    async def _readable(self) -> None:
        ready = self._loop.create_future()
        self._loop.add_reader(self._stream, lambda: ready.done() or ready.set_result(None))
        try:
            await ready
        finally:
            self._loop.remove_reader(self._stream)

    def take_socket(self) -> socket.socket:
        """Return the oldest socket that was handed over.

        Raises:
            OSError: There is none, or it is no socket that listens for TCP.
        """
        if not self._handed_over:
            raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
        listener = socket.socket(fileno=self._handed_over.popleft())
        listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if listener.family != socket.AF_INET or not listens:
            listener.close()
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        listener.setblocking(False)
        return listener

    def write(self, line: bytes) -> None:
        self._unsent += line
        self._flush()

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._stream.send(self._unsent)]
        except BlockingIOError:
            self._loop.add_writer(self._stream, self._flush)
            return
        except OSError:
            self._unsent.clear()  # whoever reads learns of it
        self._loop.remove_writer(self._stream)

    def close(self) -> None:
        if self._stream.fileno() >= 0:
            self._loop.remove_reader(self._stream)
            self._loop.remove_writer(self._stream)
        self._stream.close()
        while self._handed_over:
            os.close(self._handed_over.popleft())


_LOST = "The framework's warm process has died, and its runs with it."


@cache
def _exits() -> TypeAdapter[WorkerExit]:
    return TypeAdapter(WorkerExit)


def _exit(told: Any) -> WorkerExit:
    try:
        return _exits().validate_python(told)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        return WorkerExit(error=f"The framework's process told nonsense of its end: {problem}.")


class WorkerHandle:
    """A run's process."""

    def __init__(self, kill: Callable[[], None]) -> None:
        """Belong to one run; ``kill`` asks for its end."""
        self._kill = kill
        loop = asyncio.get_running_loop()
        self._pid: asyncio.Future[int] = loop.create_future()
        self._exit: asyncio.Future[WorkerExit] = loop.create_future()
        self._listener: asyncio.Future[socket.socket] = loop.create_future()

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._exit.done()

    async def started(self) -> int:
        """Return the id of the process, once there is one.

        Raises:
            SandboxError: The warm process has died.
        """
        return await asyncio.shield(self._pid)

    async def listener(self) -> socket.socket | None:
        """Return the socket that the run's process listens on, once; None when it has ended."""
        await asyncio.wait({self._listener, self._exit}, return_when=asyncio.FIRST_COMPLETED)
        return self._listener.result() if self._listener.done() else None

    async def wait(self) -> WorkerExit:
        """Return how the process ended, once it has; may be cancelled and called again.

        Raises:
            SandboxError: The warm process has died.
        """
        return await asyncio.shield(self._exit)

    async def gone(self) -> None:
        """Return when the process has ended, or nobody can tell any more."""
        await asyncio.wait({self._exit})

    async def kill(self) -> None:
        """Kill the process and its descendants; no error when they are gone."""
        if not self.ended:
            with contextlib.suppress(SandboxError):
                self._kill()

    def take_pid(self, pid: int) -> None:
        """Note that the process has started."""
        self._pid.set_result(pid)

    def take_listener(self, listener: socket.socket) -> None:
        """Note where it listens."""
        if self._listener.done():
            listener.close()
            raise OSError(errno.EALREADY, os.strerror(errno.EALREADY))
        self._listener.set_result(listener)

    def take_exit(self, report: WorkerExit) -> None:
        """Note how it ended."""
        self._exit.set_result(report)

    def take_loss(self) -> None:
        """Note that nobody can tell any more."""
        for future in (self._pid, self._exit):
            if not future.done():
                future.set_exception(SandboxError(_LOST))
                # Whoever asks is told; that nobody asks is no error.
                future.exception()
