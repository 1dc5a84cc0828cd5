"""What a process can be told on Linux about its own end and its descendants'."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path

__all__ = ["die_with_parent", "end_session", "outlive_parent", "thread_count"]

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, number: signal.Signals) -> None:
    """Have the kernel send this process a signal once its parent is gone.

    Args:
        parent: Id of the parent; when it is gone already, this process ends at once.
        number: The signal.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def outlive_parent() -> None:
    """Take back :func:`die_with_parent`."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)


def thread_count() -> int:
    """Return how many threads the kernel knows of, those of extension modules included."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def end_session(leader: int) -> None:
    """Kill every process of a session, in whatever group it is.

    Args:
        leader: A child of this process, not reaped yet; it may be about to make the session.
    """
    os.kill(leader, signal.SIGKILL)
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and _session(entry.name) == leader:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(entry.name), signal.SIGKILL)


def _session(pid: str) -> int | None:
    try:
        stat = Path("/proc", pid, "stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold anything; state, parent, group and session follow it.
    return int(stat.rpartition(")")[2].split()[3])
