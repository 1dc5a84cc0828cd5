"""Whose a container is, and which were left behind by a runner that is gone.

Every container that fleetgym makes says on its labels which process made it. A process number
alone would not do, since numbers are given again: the process's start time goes with it, and the
boot and the process namespace in which both have a meaning.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.sandboxes.docker_daemon import Daemon, MadeContainer

__all__ = [
    "LABEL",
    "PURPOSE",
    "find_leftovers",
    "is_left_over",
    "owner_labels",
    "owner_pid",
    "remove_leftovers",
]

LABEL = "fleetgym"
"""On everything that fleetgym makes; the others below begin with it."""

PURPOSE = f"{LABEL}.purpose"
_PID, _STARTED = f"{LABEL}.owner.pid", f"{LABEL}.owner.started"
_BOOT, _NAMESPACE = f"{LABEL}.owner.boot", f"{LABEL}.owner.pid-namespace"


def owner_labels(purpose: str) -> dict[str, str]:
    """Return the labels of a container that this process makes.

    Args:
        purpose: What the container is for, for example ``sandbox``.
    """
    pid = os.getpid()
    started = _start_time(pid)
    assert started is not None, "this process runs"
    return {
        LABEL: "",
        PURPOSE: purpose,
        _PID: str(pid),
        _STARTED: started,
        _BOOT: _boot(),
        _NAMESPACE: _namespace(),
    }


def is_left_over(labels: Mapping[str, str]) -> bool:
    """Return whether the process that made a container with these labels is gone for sure.

    Of a process in another namespace of the same machine nothing can be known, so what it made is
    never called left over. Nor is what carries no complete set of labels.
    """
    if LABEL not in labels or not {_PID, _STARTED, _BOOT, _NAMESPACE} <= labels.keys():
        return False
    if labels[_BOOT] != _boot():
        return True
    if labels[_NAMESPACE] != _namespace() or not labels[_PID].isdecimal():
        return False
    return _start_time(int(labels[_PID])) != labels[_STARTED]


def owner_pid(labels: Mapping[str, str]) -> int | None:
    """Return the number that the process had which made a container."""
    pid = labels.get(_PID, "")
    return int(pid) if pid.isdecimal() else None


def find_leftovers(daemon: Daemon) -> Sequence[MadeContainer]:
    """Return fleetgym's containers, whatever for, whose makers are gone.

    Raises:
        SandboxError: The daemon does not say.
    """
    return [one for one in daemon.made() if is_left_over(one.labels)]


def remove_leftovers(daemon: Daemon) -> Sequence[MadeContainer]:
    """Remove them; return which they were.

    Raises:
        SandboxError: The daemon did not do it.
    """
    found = find_leftovers(daemon)
    for container in found:
        daemon.remove(container.id)
    return found


def _start_time(pid: int) -> str | None:
    """Return when a process started, in ticks since the boot; None when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    zombie = fields[0] in "ZX"
    return None if zombie else fields[19]


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@cache
def _namespace() -> str:
    return str(os.stat("/proc/self/ns/pid").st_ino)  # noqa: PTH116 - follows the magic link
