"""What runners that were killed have left on this machine: containers and directories."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetgym import home
from fleetgym.contracts.errors import MissingDependency
from fleetgym.sandboxes.docker_daemon import connect
from fleetgym.sandboxes.docker_owner import find_leftovers, remove_leftovers
from fleetgym.sandboxes.jails import find_left_jails, remove_left_jails

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fleetgym.sandboxes.docker_daemon import MadeContainer

__all__ = ["Garbage", "collect"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """What was found; what belongs to a living runner is never among it."""

    containers: Sequence[MadeContainer]
    jails: Sequence[Path]
    """Directories of tool servers."""

    no_daemon: str = ""
    """Why no containers could be looked for."""


def collect(*, dry_run: bool = False) -> Garbage:
    """Remove it, or only look for it.

    Raises:
        SandboxError: The Docker daemon answered at first, and then no more.
    """
    root = home.cache("jails")
    containers: Sequence[MadeContainer] = ()
    no_daemon = ""
    try:
        with closing(connect()) as daemon:
            containers = (find_leftovers if dry_run else remove_leftovers)(daemon)
    except MissingDependency as error:
        no_daemon = str(error)
    # After the containers, which have them mounted.
    jails = (find_left_jails if dry_run else remove_left_jails)(root)
    return Garbage(containers=containers, jails=jails, no_daemon=no_daemon)
