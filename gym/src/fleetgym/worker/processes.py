"""What a process can be told on Linux about its own end and its descendants'."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "adopt_orphans",
    "allow_tracing",
    "die_with_parent",
    "end_children",
    "end_others",
    "outlive_parent",
    "thread_count",
]

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(parent: int, number: signal.Signals) -> None:
    """Have the kernel send this process a signal once its parent is gone.

    Args:
        parent: Id of the parent; when it is gone already, this process ends at once.
        number: The signal.
    """
    _prctl(_PR_SET_PDEATHSIG, int(number))
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def outlive_parent() -> None:
    """Take back :func:`die_with_parent`."""
    _prctl(_PR_SET_PDEATHSIG, 0)


def allow_tracing(*, allowed: bool) -> None:
    """Say whether other processes of this user may trace, stop or look into this one."""
    _prctl(_PR_SET_DUMPABLE, int(allowed))


def thread_count() -> int:
    """Return how many threads the kernel knows of, those of extension modules included."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def adopt_orphans() -> None:
    """Have the kernel give orphaned descendants to this process, and not to init."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_children(spared: Collection[int]) -> None:
    """Kill and reap the children of this process, and theirs as they become orphans.

    Where this process and one of its children have both called :func:`adopt_orphans`, nothing
    that descends from that child is left once the child is gone, whatever session it fled to.

    Args:
        spared: Children to be left alone.
    """
    while children := [pid for pid in _children() if pid not in spared]:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def end_others() -> None:
    """Kill and reap all other processes of the namespace that this process is the first of."""
    assert os.getpid() == 1, "else it would be every process of the machine"
    with contextlib.suppress(ChildProcessError):
        while True:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
            os.waitpid(-1, 0)


def _children() -> list[int]:
    own = os.getpid()
    processes = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]
    return [pid for pid in processes if _parent(pid) == own]


def _parent(pid: int) -> int | None:
    try:
        stat = Path("/proc", str(pid), "stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold anything; state and parent follow it.
    return int(stat.rpartition(")")[2].split()[1])


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
