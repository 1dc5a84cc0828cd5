"""Processes, as /proc tells of them."""

from __future__ import annotations

import asyncio
import os
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
    for entry in os.listdir("/proc"):
        if entry.isdigit() and _parent(entry) == pid:
            found += [int(entry), *descendants(int(entry))]
    return found


def _parent(pid: str) -> int | None:
    try:
        return int((Path("/proc") / pid / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
