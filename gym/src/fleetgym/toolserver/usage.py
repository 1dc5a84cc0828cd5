"""What processes use, read from /proc."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "ancestors",
    "children",
    "descendants",
    "memory_of",
    "number_of_threads",
    "threads",
]

_PAGE = os.sysconf("SC_PAGE_SIZE")
_GONE = (FileNotFoundError, ProcessLookupError)


def children(pid: int) -> Iterator[int]:
    """Yield the processes that ``pid`` has started, or adopted, and that are still there."""
    for thread in threads(pid):
        with contextlib.suppress(*_GONE):
            text = Path(f"/proc/{pid}/task/{thread}/children").read_text()
            yield from map(int, text.split())


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes below ``pid``; no more is read than is taken."""
    waiting = list(children(pid))
    while waiting:
        found = waiting.pop()
        yield found
        waiting += children(found)


def ancestors(pid: int) -> Iterator[int]:
    """Yield the parent of ``pid``, its parent, and so on, as far as they can be seen."""
    while pid > 1:
        fields = _stat(pid)
        if not fields:
            return
        pid = int(fields[1])
        if pid:
            yield pid


def threads(pid: int) -> list[int]:
    """Return the ids of a process's threads; none when it is gone."""
    with contextlib.suppress(*_GONE):
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208 - many a second
    return []


def number_of_threads(pid: int) -> int:
    """Return how many threads a process has; 0 when it is gone."""
    fields = _stat(pid)
    return int(fields[17]) if fields else 0


def memory_of(pids: Iterable[int], *, enough: int) -> int:
    """Return the bytes in memory of processes, shared ones divided; cheap up to ``enough``.

    Where a process does not let itself be looked into, shared ones count in full.
    """
    resident = {pid: _resident(pid) for pid in pids}
    if sum(resident.values()) <= enough:
        return sum(resident.values())
    return sum(_proportional(pid, most) for pid, most in resident.items())


def _stat(pid: int) -> list[str]:
    """Return the fields of a process's ``stat`` from its state on; none when it is gone."""
    with contextlib.suppress(*_GONE):
        # The name, in brackets, may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def _resident(pid: int) -> int:
    with contextlib.suppress(*_GONE):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return 0


def _proportional(pid: int, most: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return most
