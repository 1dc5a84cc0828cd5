"""What each kind of isolation promises, and whether this machine keeps it: tried, not assumed."""

from __future__ import annotations

from contextlib import closing

from fleetgym.contracts.errors import FleetgymError
from fleetgym.sandboxes import Promise

__all__ = ["check_isolation"]

_ISOLATED = "agents run where nothing of the host can be reached"
_FAST = "one warm process keeps its runs apart"
_SLOWER = "Runs are kept apart by a process each: a framework is imported for every run. {why}"
_IN_CONTAINERS = "agents run in containers"


def check_isolation(kind: str) -> list[Promise]:
    """Return what a kind of isolation promises, tried out on this machine."""
    if kind == "local":
        return _local()
    if kind == "docker":
        return _docker()
    return [Promise("agents run in processes of their own", kept=True)]


def _local() -> list[Promise]:
    from fleetgym.executors.bubblewrap import Bubblewrap  # noqa: PLC0415 - only when asked

    try:
        jail = Bubblewrap()
    except FleetgymError as error:
        return [Promise(_ISOLATED, kept=False, hint=str(error))]
    why = jail.parts_runs()
    hint = _SLOWER.format(why=why) if why else ""
    return [Promise(_ISOLATED, kept=True), Promise(_FAST, kept=not why, hint=hint)]


def _docker() -> list[Promise]:
    from fleetgym.sandboxes.docker_daemon import connect  # noqa: PLC0415 - imports docker

    try:
        with closing(connect()):
            return [Promise(_IN_CONTAINERS, kept=True)]
    except FleetgymError as error:
        return [Promise(_IN_CONTAINERS, kept=False, hint=str(error))]
