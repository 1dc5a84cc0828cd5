"""What a planted Linux event leaves open: the program, its account, who started it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import SpecError
from fleetgym_estate.drawing import one
from fleetgym_estate.telemetry.linux_words import linux_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import Generator

    from fleetgym_estate.estate import Estate

__all__ = ["file_defaults", "process_defaults"]

_ACTOR = "InitiatingProcess"


def process_defaults(estate: Estate, rng: Generator, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return host, program and parent of a process event as far as they are not given."""
    host = _host(estate, rng, given)
    command = given.get("ProcessCommandLine")
    name = given.get("FileName") or (command.split()[0].rpartition("/")[2] if command else "dash")
    path = given.get("FolderPath") or _path(name)
    account = given.get("AccountName", "root")
    return {
        "DeviceName": host,
        "FolderPath": path,
        "ProcessCommandLine": path if command is None else command,
        "AccountName": account,
        **_actor(given, account),
    }


def file_defaults(estate: Estate, rng: Generator, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return host, file and acting process of a file event as far as they are not given."""
    name = given.get("FileName", "file")
    return {
        "DeviceName": _host(estate, rng, given),
        "ActionType": "FileCreated",
        "FolderPath": f"/tmp/{name}",  # noqa: S108  # a name in a row
        **_actor(given, "root"),
    }


def _host(estate: Estate, rng: Generator, given: Mapping[str, Any]) -> str:
    name = given.get("DeviceName")
    if name is None:
        return one(rng, estate.hosts).name
    if name not in estate.host_by_name:
        raise SpecError(
            f"A row is planted on the device {name!r}, which the estate does not have. Take the "
            "name of one of `estate.hosts`."
        )
    return name


def _actor(given: Mapping[str, Any], account: str) -> dict[str, Any]:
    """Return the acting process: a login shell unless something is known of it."""
    words = linux_words()
    path = given.get(f"{_ACTOR}FolderPath") or _path(given.get(f"{_ACTOR}FileName", "bash"))
    name = path.rpartition("/")[2]
    daemon = words.daemons.get(name)
    fallback = "-bash" if name == "bash" else path
    owner = account if daemon is None or daemon.account == "=" else daemon.account
    return {
        f"{_ACTOR}FolderPath": path,
        f"{_ACTOR}CommandLine": words.command_of.get(path, fallback),
        f"{_ACTOR}AccountName": owner,
        f"{_ACTOR}ParentFileName": "sshd" if name == "bash" else "systemd",
    }


def _path(name: str) -> str:
    return linux_words().path_of.get(name, f"/usr/bin/{name}")
