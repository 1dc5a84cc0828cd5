"""A process that executes queries, and the process that ends it when it does not answer.

A query can eat all memory or never end, and no limit inside the database stops every such query
(``repeat('a', 2e9)`` ignores both an interrupt and ``memory_limit``). So queries run in an
*executor* with a limited address space, which is killed at the deadline and replaced:

    session ── socket ──► keeper ── socket ──► executor

The keeper is forked once, when the toolset is opened, and has one thread for ever; so forking a new
executor is safe whatever threads the session has started meanwhile. What an executor says is read
as JSON and nothing else, because a query may have taken it over.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import struct
import threading
import time
import traceback
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from fleetgym.contracts.errors import SandboxError, ToolError
from fleetgym.toolserver.confinement import confine_executor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Handler", "QueryProcess"]

Handler: TypeAlias = "Callable[[Mapping[str, Any]], str]"
"""Answers one request in the executor; raises ``ToolError`` for a wrong one."""

MAX_FRAME_BYTES = 16 * 1024**2
_HEADER = struct.Struct("!I")
_NUMBER = struct.Struct("!Q")
_PR_SET_PDEATHSIG = 1


class QueryProcess:
    """Answers requests in a process of its own, one at a time. Thread-safe."""

    def __init__(
        self, open_handler: Callable[[], Handler], *, memory_bytes: int, call_seconds: float
    ) -> None:
        """Fork the keeper, which forks the first executor at once.

        Args:
            open_handler: Called in each new executor.
            memory_bytes: Address space that an executor may add to what it is forked with.
            call_seconds: Wall-clock time of one request, a late start included.
        """
        self._lock = threading.Lock()
        self._number = 0
        self._memory_bytes = memory_bytes
        self._call_seconds = call_seconds
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            _become(
                theirs, lambda channel: _keep(channel, open_handler, memory_bytes, call_seconds)
            )
        theirs.close()
        self._channel = ours
        self._finalizer = weakref.finalize(self, _end, ours, pid)

    def call(self, request: Mapping[str, Any]) -> str:
        """Return the handler's answer to ``request``, which is JSON.

        Raises:
            ToolError: The request was wrong, too slow or too large.
            SandboxError: The keeper is gone.
        """
        with self._lock:
            self._number += 1
            number = _NUMBER.pack(self._number)
            try:
                _send(self._channel, number + json.dumps(request).encode())
                frame = _receive(self._channel, deadline=None)
                # A call that an alarm cut short has left its answer behind.
                while frame is not None and frame[: _NUMBER.size] != number:
                    frame = _receive(self._channel, deadline=None)
            except OSError as error:
                raise SandboxError(f"The query process is gone: {error}.") from error
        if frame is None:
            raise SandboxError("The query process is gone; the tool server has to be restarted.")
        return self._read(frame[_NUMBER.size :])

    def close(self) -> None:
        """End both processes; may be called twice."""
        self._finalizer()

    def _read(self, frame: bytes) -> str:
        try:
            reply = json.loads(frame)
            kind, text = str(reply["kind"]), str(reply["text"])
        except (ValueError, KeyError, TypeError):
            kind, text = "died", ""
        if kind == "text":
            return text
        if kind == "broken":
            raise SandboxError(f"The query process cannot start: {text}")
        if kind == "wrong":
            raise ToolError(text)
        if kind == "late":
            raise ToolError(
                f"The query was stopped after {self._call_seconds:g} seconds. Filter by time and "
                "host before joining or summarizing, and avoid cross joins."
            )
        raise ToolError(
            f"The query was stopped because it was too large to run in "
            f"{self._memory_bytes // 1024**2} MiB of memory. Filter or summarize earlier, and "
            "build no huge strings, lists or expressions."
        )


def _keep(
    session: socket.socket,
    open_handler: Callable[[], Handler],
    memory_bytes: int,
    call_seconds: float,
) -> None:
    """Pass requests on to an executor, and replace it when it is late or dead."""
    executor = _Executor(open_handler, memory_bytes)
    while (request := _receive(session, deadline=None)) is not None:
        number, question = request[: _NUMBER.size], request[_NUMBER.size :]
        reply = executor.ask(question, time.monotonic() + call_seconds)
        _send(session, number + reply)
        if executor.spent:
            executor.end()
            executor = _Executor(open_handler, memory_bytes)
    executor.end()


class _Executor:
    """One executor, as its keeper sees it."""

    def __init__(self, open_handler: Callable[[], Handler], memory_bytes: int) -> None:
        self.spent = False
        self._channel, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            _become(theirs, lambda channel: _execute(channel, open_handler, memory_bytes))
        theirs.close()

    def ask(self, request: bytes, deadline: float) -> bytes:
        try:
            _send(self._channel, request)
            reply = _receive(self._channel, deadline)
        except TimeoutError:
            self.spent = True
            return b'{"kind": "late", "text": ""}'
        except OSError:
            reply = None
        # After a MemoryError the executor's heap is as full as it was: start afresh.
        self.spent = reply is None or reply.startswith(b'{"kind": "died"')
        return reply or b'{"kind": "died", "text": ""}'

    def end(self) -> None:
        self._channel.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def _execute(keeper: socket.socket, open_handler: Callable[[], Handler], memory_bytes: int) -> None:
    """Answer requests until the keeper is gone."""
    _limit(memory_bytes)
    confine_executor()
    handler: Handler | None = None
    reason = ""
    try:
        handler = open_handler()
    except Exception as error:  # noqa: BLE001 - whatever it was, the session has to hear of it
        reason = f"{type(error).__name__}: {error}"
    while (request := _receive(keeper, deadline=None)) is not None:
        try:
            if handler is None:
                kind, text = "broken", reason
            else:
                kind, text = "text", handler(json.loads(request))
        except ToolError as error:
            kind, text = "wrong", str(error)
        except MemoryError:
            kind, text = "died", ""
        except Exception as error:  # noqa: BLE001 - a defect of ours or of an engine's
            _report()
            kind, text = "wrong", f"The tool failed on this call: {type(error).__name__}. Rephrase."
        _send(keeper, json.dumps({"kind": kind, "text": text}).encode())


def _limit(memory_bytes: int) -> None:
    """Cap this process's address space above what it was forked with, and tie it to its keeper.

    A warm tool server has mapped libraries that have nothing to do with queries; counting them
    would let the same query pass or fail by what else is installed.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + memory_bytes
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Without a process namespace around it, a query that never ends would outlive its keeper.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _become(channel: socket.socket, body: Callable[[socket.socket], None]) -> NoReturn:
    """Run ``body`` in this fresh fork, with no descriptor but ``channel`` and standard error.

    The parent's pipes must not stay open here: a client would wait for their end for ever, and a
    query that takes over the executor could write to them.
    """
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        fd = channel.fileno()
        os.closerange(3, fd)
        os.closerange(fd + 1, os.sysconf("SC_OPEN_MAX"))
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.close(null)
        body(channel)
        code = 0
    except BaseException:  # noqa: BLE001 - reported, then this process ends whatever it was
        _report()
    finally:
        os._exit(code)


def _report() -> None:
    """Write the traceback to the descriptor itself: ``sys.stderr`` may stand for a closed one."""
    os.write(2, traceback.format_exc().encode())


def _end(channel: socket.socket, pid: int) -> None:
    channel.close()
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _send(channel: socket.socket, frame: bytes) -> None:
    channel.sendall(_HEADER.pack(len(frame)) + frame)


def _receive(channel: socket.socket, deadline: float | None) -> bytes | None:
    """Return the next frame, or None when the other side is gone or says too much.

    Raises:
        TimeoutError: The deadline, by the monotonic clock, has passed.
    """
    header = _read_exactly(channel, _HEADER.size, deadline)
    if header is None:
        return None
    (size,) = _HEADER.unpack(header)
    return None if size > MAX_FRAME_BYTES + _NUMBER.size else _read_exactly(channel, size, deadline)


def _read_exactly(channel: socket.socket, size: int, deadline: float | None) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        channel.settimeout(None if deadline is None else max(1e-3, deadline - time.monotonic()))
        chunk = channel.recv(min(size - len(parts), 1 << 20))
        if not chunk:
            return None
        parts += chunk
    return bytes(parts)
