"""One program that an agent wants run: in a process group of its own, within limits, to its end.

The group is watched while it runs and killed as a whole, by one signal, when its first process has
ended or it breaks a limit. Nothing leaves the group (see :mod:`fleetgym.toolserver.confinement`),
so nothing is left behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import random
import resource
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgym.contracts.errors import SandboxError
from fleetgym.toolserver.confinement import confine_tool
from fleetgym.toolserver.excerpt import Excerpt
from fleetgym.toolserver.seccomp import supported
from fleetgym.toolserver.usage import (
    ancestors,
    children,
    descendants,
    memory_of,
    number_of_threads,
    threads,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fleetgym.contracts.sandbox import Limits

__all__ = ["Ended", "run"]

_LOOK_S = 0.05
_CHUNK = 65536
_NICE = 10
"""So that the tool server answers however busy its tools are."""

_THREADS_A_PROCESS = 4
"""On average: each takes memory of the kernel's."""

_SMALLEST_FILE = 4096
"""So many bytes of scratch space pay for one file: even an empty one takes memory."""

_NOTES = 1024
"""Bytes of a result that are not the program's output."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended."""

    output: str
    """Both streams, in the order in which they were written; printable, and cut in the middle."""

    code: int
    """The first process's exit code; negative, the signal that killed it."""

    broke: str = ""
    """The limit for which it was killed, as half a sentence: ``it took longer than 5 s``."""


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    scratch: Path,
    seconds: float,
    limits: Limits,
) -> Ended:
    """Run a program to its end; when this returns or raises, all of its processes are gone.

    For a process of one thread, which becomes the parent of the orphans among them.

    Raises:
        SandboxError: It could not be started.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    scratch.chmod(0o700)  # a call before may have locked it, which must not end the episode
    neighbors = frozenset(_neighbors())
    bounds = _Bounds(scratch, seconds, limits)
    parent = os.getpid()
    try:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
            preexec_fn=lambda: _become_tool(parent, neighbors, limits),  # noqa: PLW1509 - one thread
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxError(f"{command[0]} could not be started: {error}.") from error
    excerpt = Excerpt(max(limits.output_bytes - _NOTES, limits.output_bytes // 2))
    broke = ""
    try:
        broke = _watch(process, excerpt, bounds)
    finally:
        _end_group(process, excerpt)
    return Ended(output=excerpt.text(), code=process.returncode, broke=broke)


class _Bounds:
    """Says which limit a call breaks; made before its first process."""

    def __init__(self, scratch: Path, seconds: float, limits: Limits) -> None:
        self._before = frozenset(children(os.getpid()))
        self._scratch = scratch
        self._limits = limits
        self._seconds = seconds
        self.deadline = time.monotonic() + seconds
        self._files = max(limits.scratch_bytes // _SMALLEST_FILE, _files(scratch))

    def broken(self, written: int) -> str:
        limits = self._limits
        if time.monotonic() >= self.deadline:
            return f"it took longer than {self._seconds:g} s"
        if written > limits.scratch_bytes:
            return f"it wrote more than {limits.scratch_bytes} bytes of output"
        most_threads = _THREADS_A_PROCESS * limits.processes
        group: list[int] = []
        all_threads = 0
        for pid in self._processes():
            group.append(pid)
            all_threads += number_of_threads(pid)
            if len(group) > limits.processes:
                return f"it had more than {limits.processes} processes"
            if all_threads > most_threads:
                return f"it had more than {most_threads} threads"
        if memory_of(group, enough=limits.memory_bytes) > limits.memory_bytes:
            return f"it used more than {limits.memory_bytes // 1024**2} MiB of memory"
        if _files(self._scratch) > self._files:
            return f"there were more than {self._files} files"
        return ""

    def _processes(self) -> Iterator[int]:
        """Yield the call's; looks for the children of one when it is asked for the next."""
        # Orphans are children of this process, too.
        waiting = [pid for pid in children(os.getpid()) if pid not in self._before]
        while waiting:
            found = waiting.pop()
            yield found
            waiting += children(found)


def _watch(process: subprocess.Popen[bytes], excerpt: Excerpt, bounds: _Bounds) -> str:
    """Collect output until the first process has ended; return the limit broken before, if any."""
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    ended = os.pidfd_open(process.pid)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(pipe, select.POLLIN)
    look_at = 0.0
    try:
        while True:
            if time.monotonic() >= look_at:
                if broke := bounds.broken(excerpt.total):
                    return broke
                look_at = min(time.monotonic() + _LOOK_S, bounds.deadline)
            wait_s = max(0.0, look_at - time.monotonic())
            ready = {descriptor for descriptor, _ in poll.poll(1000 * wait_s)}
            if ended in ready:
                return ""
            if pipe in ready:
                piece = os.read(pipe, _CHUNK)
                excerpt.add(piece)
                if not piece:  # nobody can write any more
                    poll.unregister(pipe)
    finally:
        os.close(ended)


def _end_group(process: subprocess.Popen[bytes], excerpt: Excerpt) -> None:
    """Kill all that is left, collect what the pipe still holds, and wait until all are gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    assert process.stdout is not None
    with process.stdout as pipe:
        while piece := pipe.read(_CHUNK):
            excerpt.add(piece)
    process.wait()
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-process.pid, 0)


def _become_tool(parent: int, neighbors: frozenset[int], limits: Limits) -> None:
    """In the fork, before the program replaces it."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    os.nice(_NICE)
    # What watches the call must be faster than it, also on a machine of many processors.
    usable = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, random.sample(usable, min(math.ceil(limits.cpus), len(usable))))
    with contextlib.suppress(OSError):  # where a container has its own limit of memory
        Path("/proc/self/oom_score_adj").write_text("1000")
    if not confine_tool(neighbors) and supported():
        raise OSError("its system calls cannot be filtered")
    # The last: this fork may be larger.
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))


def _neighbors() -> Iterator[int]:
    """Yield the ids of what a tool must leave alone: the tool server's processes and above."""
    server = os.getppid()
    yield from ancestors(os.getpid())
    for pid in (server, *descendants(server)):
        yield from threads(pid)


def _files(scratch: Path) -> int:
    """Return how many files there are in the scratch space, 0 when it is no file system itself."""
    if not scratch.is_mount():
        return 0
    status = os.statvfs(scratch)
    return status.f_files - status.f_ffree


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
