"""Learns what runs import, so that the process they are forked from imports it once for all.

``warm`` cannot name everything: frameworks import lazily, some of it deep inside a first request.
Each run reports what it had to import. That list is tried in a process of its own first: only when
it leaves one thread there, this process imports it too. It is kept on disk, and the next start
imports it at once.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
from typing import TYPE_CHECKING

from fleetgym.worker.processes import die_with_parent, thread_count

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Scout"]

_PATIENCE_S = 60


class Scout:
    """Keeps the list of what runs import beyond what was imported for them."""

    def __init__(self, file: Path | None) -> None:
        """Read the list of earlier starts.

        Args:
            file: Keeps it; None: nothing is learned.
        """
        self._file = file
        self._known: dict[str, None] = dict.fromkeys(_read(file))
        self._waiting = list(self._known)

    def learn(self, names: Iterable[str]) -> None:
        """Take in what one run imported."""
        if self._file is None:
            return
        new = [name for name in names if name not in self._known]
        if new:
            self._known.update(dict.fromkeys(new))
            self._waiting += new

    def import_learned(self) -> None:
        """Import what has been learned and not yet been imported, unless that starts threads."""
        names, self._waiting = [n for n in self._waiting if n not in sys.modules], []
        if not names or self._file is None or not _leaves_one_thread(names):
            return
        _import(names)
        with contextlib.suppress(OSError):  # it may have been given for reading only
            _write(self._file, list(self._known))


def _leaves_one_thread(names: list[str]) -> bool:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            die_with_parent(parent, signal.SIGKILL)
            signal.alarm(_PATIENCE_S)
            _import(names)
            code = 0 if thread_count() == 1 else 1
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


def _import(names: Iterable[str]) -> None:
    for name in names:
        # Modules made at run time have a name and no file; what cannot be imported is no loss.
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _read(file: Path | None) -> list[str]:
    try:
        return [] if file is None else [str(name) for name in json.loads(file.read_text())]
    except (OSError, ValueError):
        return []


def _write(file: Path, names: list[str]) -> None:
    part = file.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps(names))
    part.replace(file)
