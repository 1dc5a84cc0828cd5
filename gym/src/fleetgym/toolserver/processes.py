"""What the tool server's first process does with those that come after it: adopt, watch, end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
from typing import TYPE_CHECKING

from fleetgym.toolserver.usage import children, descendants

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["Offspring", "end_with_parent"]

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36

_LOOK_S = 0.1

_LIBC = ctypes.CDLL(None, use_errno=True)


class Offspring:
    """All processes below this one, orphans included."""

    def __init__(self, *, isolated: bool) -> None:
        """Adopt every orphan from now on.

        Args:
            isolated: This process is in a process namespace of its own, which ends with the host.
        """
        self._isolated = isolated
        self._leaving = False
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        signal.signal(signal.SIGTERM, self._leave)
        # What an agent runs must not reach our pipes and memory through /proc or ptrace.
        _prctl(_PR_SET_DUMPABLE, 0)
        if not isolated:
            # Not SIGKILL: an episode under way has to be ended first.
            _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    def wait_for(self, child: int, *, max_processes: int) -> int:
        """Return the exit code of ``child``, killed when we have to go, or they are too many.

        The kernel's own limit would not do: it does not bind root, and before Linux 5.14 it counts
        the processes that the user has outside, too. Those in process groups of their own are not
        counted: they are what an agent runs, and who runs them limits them. What it does must not
        end its episode.
        """
        ended = os.pidfd_open(child)
        try:
            while True:
                select.select([ended], [], [], _LOOK_S)
                pid = -1
                while pid != 0:
                    pid, status = os.waitpid(-1, os.WNOHANG)
                    if pid == child:
                        return os.waitstatus_to_exitcode(status)
                too_many = _forks() > max_processes
                if too_many:
                    sys.stderr.write(f"more than {max_processes} processes\n")
                if too_many or self._leaving:
                    os.kill(child, signal.SIGKILL)
        finally:
            os.close(ended)

    def end(self) -> None:
        """Kill all of them; return when they are gone."""
        if self._isolated:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                for pid in children(os.getpid()):
                    os.kill(pid, signal.SIGKILL)
                os.waitpid(-1, 0)

    def _leave(self, _signal: int, _frame: FrameType | None) -> None:
        # Raises nothing: it would cut short whatever is being ended. Between episodes the end of
        # standard input says the same.
        self._leaving = True


def end_with_parent(parent: int) -> None:
    """Let the kernel kill this process, a child of ``parent``, as soon as ``parent`` is gone."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _forks() -> int:
    """Return how many processes there are below this one, in its process group."""
    own = os.getpgrp()
    count = 0
    for pid in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            count += os.getpgid(pid) == own
    return count


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
