"""Removes the containers of runners that were killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym.sandboxes.docker_owner import is_left_over

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetgym.sandboxes.docker_daemon import Daemon, MadeContainer

__all__ = ["find_leftovers", "remove_leftovers"]


def find_leftovers(daemon: Daemon) -> Sequence[MadeContainer]:
    """Return fleetgym's containers, of any purpose, whose makers are gone."""
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
