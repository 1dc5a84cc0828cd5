"""Directories that end with the process that made them, however that ends.

A process that is killed removes nothing. So it holds a lock on what it has made, which the kernel
lets go, and whoever makes the next such directory removes those that nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

__all__ = ["RUNNERS", "find_left", "held_directory", "remove_left"]

RUNNERS = "fleetgym-runner-"
"""Begins the names of the directories that runners have for the time of a suite."""


@contextmanager
def held_directory(parent: Path, prefix: str) -> Generator[Path]:
    """Make a directory, and remove it at the end together with those that were left behind.

    Args:
        parent: Where it is made; others may do so at the same time.
        prefix: Begins the names of all that are of one kind, and of nothing else in ``parent``.

    Raises:
        OSError: It could not be made.
    """
    remove_left(parent, prefix)
    while True:
        made = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        # Somebody who looks for what was left behind may have come between.
        lock = _lock(made)
        if lock is not None:
            break
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(lock)


def find_left(parent: Path, prefix: str) -> list[Path]:
    """Return the directories of processes that are gone."""
    return [path for path, _ in _left(parent, prefix)]


def remove_left(parent: Path, prefix: str) -> list[Path]:
    """Remove them; return which they were."""
    removed: list[Path] = []
    for path, _ in _left(parent, prefix):
        shutil.rmtree(path, ignore_errors=True)
        removed.append(path)
    return removed


def _left(parent: Path, prefix: str) -> Iterator[tuple[Path, int]]:
    """Yield what nobody holds, each with a lock on it that is let go with the next."""
    for path in sorted(parent.glob(f"{prefix}*")):
        with suppress(OSError):
            if path.is_symlink() or path.stat().st_uid != os.geteuid():
                continue
        lock = _lock(path)
        if lock is not None:
            try:
                yield path, lock
            finally:
                os.close(lock)


def _lock(path: Path) -> int | None:
    """Return a descriptor with the lock on ``path``; None if another has it, or it is gone."""
    lock = -1
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), path.lstat()):
            return lock
    except OSError:
        pass
    if lock >= 0:
        os.close(lock)
    return None
