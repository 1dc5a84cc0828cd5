"""What one run's process may take of the machine, and the watch over what the kernel cannot limit.

The kernel limits each process: open files, the size of a file, memory that it may write to, and
its home is a file system of a fixed size. It does not limit how many processes root has, nor what
they take together, without a cgroup that only root may make. So the warm process looks ten times a
second.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LOOK_S", "Limits", "excesses", "limit", "own_memory"]

LOOK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one run."""

    memory_bytes: int = 2 << 30
    """Each process may allocate so much beyond what it was forked with; all together may too."""

    processes: int = 128
    files: int = 1024
    file_bytes: int = 128 << 20
    """Of one file, what the framework prints among them."""

    home_bytes: int = 256 << 20
    home_files: int = 20_000


def limit(limits: Limits) -> None:
    """Hold this process, and all that it starts, to what the kernel can limit."""
    for kind, value in (
        (resource.RLIMIT_DATA, _allocated() + limits.memory_bytes),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (most, most))


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    ids: tuple[int, ...]
    """In the namespace that /proc is of, and in each below that down to the process's own."""

    memory_bytes: int


def excesses(runs: set[int], limits: Limits, *, own_bytes: int) -> dict[int, str]:
    """Return why runs have to end, by the id of their first process.

    Args:
        runs: Ids of the runs' first processes.
        limits: What they may take.
        own_bytes: What a run shares with the process that it was forked from; not counted.
    """
    found = dict(_processes())
    depth = len(_parse(Path("/proc/self/status").read_text()).ids)
    processes, memory = Counter[int](), Counter[int]()
    for pid, process in found.items():
        run = _run_of(pid, found, depth, runs)
        if run is not None:
            processes[run] += 1
            memory[run] += max(0, process.memory_bytes - own_bytes)
    reasons = {
        run: f"The run had more than {limits.processes} processes, and was ended."
        for run, count in processes.items()
        if count > limits.processes
    }
    return reasons | {
        run: f"The run took more than {limits.memory_bytes >> 20} MiB of memory, and was ended."
        for run, taken in memory.items()
        if taken > limits.memory_bytes
    }


def own_memory() -> int:
    """Return how much of this process's memory is no file's."""
    return _parse(Path("/proc/self/status").read_text()).memory_bytes


def _run_of(pid: int, found: dict[int, _Process], depth: int, runs: set[int]) -> int | None:
    """Return the run's first process that another one descends from; it adopts its orphans."""
    while (process := found.get(pid)) is not None:
        if len(process.ids) >= depth and process.ids[depth - 1] in runs:
            return process.ids[depth - 1]
        pid = process.parent
    return None


def _processes() -> list[tuple[int, _Process]]:
    read: list[tuple[int, _Process]] = []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, KeyError, ValueError):
                read.append((int(entry.name), _parse(Path(entry.path, "status").read_text())))
    return read


def _parse(status: str) -> _Process:
    lines = dict(line.split(":", 1) for line in status.splitlines())
    memory = sum(int(lines.get(name, "0").split()[0]) for name in ("RssAnon", "RssShmem", "VmSwap"))
    return _Process(
        parent=int(lines["PPid"]),
        ids=tuple(map(int, lines["NSpid"].split())),
        memory_bytes=memory * 1024,
    )


def _allocated() -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmData"].split()[0]) * 1024
