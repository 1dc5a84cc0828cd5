"""Processes, as /proc tells of them."""

from __future__ import annotations

import asyncio
from pathlib import Path


async def gone(pid: int) -> None:
    """Return once a process is gone, or no more than a zombie."""
    while True:
        try:
            if (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except OSError:
            return
        await asyncio.sleep(0.005)


def descendants(pid: int) -> list[int]:
    """Return the children of a process, theirs, and so on."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _parent(entry) == pid:
            found += [int(entry.name), *descendants(int(entry.name))]
    return found


def _parent(process: Path) -> int | None:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
