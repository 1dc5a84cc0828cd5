"""The directories that tool servers get, one each, and the removal of those left behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

__all__ = ["Jails", "clear_data", "fill_data", "find_left_jails", "remove_left_jails"]

_PREFIX = "jails-"


class Jails:
    """One provider's directories under ``root``, which any number of processes may share.

    The lock on a provider's own directory is let go when its process dies, however it dies; the
    next provider removes what is no longer locked.
    """

    def __init__(self, root: Path) -> None:
        remove_left_jails(root)
        with _locked(root):
            self._place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
            self._lock = _lock(self._place)
        self._count = 0

    def make(self) -> Path:
        """Return a new one, with the folders ``data``, ``scratch`` and ``empty``."""
        self._count += 1
        jail = self._place / str(self._count)
        for name in ("data", "scratch", "empty"):
            (jail / name).mkdir(parents=True)
        return jail

    def close(self) -> None:
        """Remove them all."""
        shutil.rmtree(self._place, ignore_errors=True)
        os.close(self._lock)


def find_left_jails(root: Path) -> list[Path]:
    """Return the directories of providers whose processes are gone."""
    with _locked(root):
        found: list[Path] = []
        for place, lock in _unlocked(root):
            os.close(lock)
            found.append(place)
        return found


def remove_left_jails(root: Path) -> list[Path]:
    """Remove them; return which they were."""
    removed: list[Path] = []
    with _locked(root):
        for place, lock in _unlocked(root):
            shutil.rmtree(place, ignore_errors=True)
            os.close(lock)
            removed.append(place)
    return removed


def fill_data(jail: Path, source: Path) -> None:
    """Put the files of ``source`` where the jail's server sees them, and may read them.

    In a container it is another user, to whom files of a careful ``umask`` are closed.

    Raises:
        OSError: They could not be read, or not be copied.
    """
    data = jail / "data"
    shutil.copytree(source, data, copy_function=_link_or_copy, dirs_exist_ok=True)
    for folder in (data, *(path for path in data.rglob("*/") if not path.is_symlink())):
        folder.chmod(0o755)


def clear_data(jail: Path) -> None:
    """Take away what :func:`fill_data` put there."""
    for path in (jail / "data").iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _link_or_copy(source: str, target: str) -> None:
    for_all = Path(source).stat().st_mode & stat.S_IROTH
    try:
        if for_all:
            os.link(source, target)
            return
    except OSError:  # another file system, or another owner
        pass
    shutil.copyfile(source, target)
    Path(target).chmod(0o644)


def _unlocked(root: Path) -> Iterator[tuple[Path, int]]:
    """Yield what no process holds, each with a lock on it that the caller lets go."""
    for place in sorted(root.glob(f"{_PREFIX}*")):
        try:
            lock = _lock(place)
        except OSError:
            continue
        yield place, lock


@contextmanager
def _locked(root: Path) -> Generator[None]:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock(place: Path) -> int:
    """Return a descriptor that holds the lock on ``place``; raises OSError if another has it."""
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
