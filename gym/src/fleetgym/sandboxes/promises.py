"""What a kind of sandbox promises, and whether this machine keeps it: tried, not assumed."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgym import home
from fleetgym.contracts.errors import FleetgymError
from fleetgym.contracts.sandbox import SandboxSpec
from fleetgym.contracts.tools import ToolCall
from fleetgym.sandboxes.imports import plugin_packages
from fleetgym.sandboxes.kinds import provider
from fleetgym.sandboxes.launch import OWN_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Promise", "check"]

_TRIALS = "fleetgym.toolserver.trials"
_FILTER = "Use a kernel with seccomp, and start dockerd without --seccomp-profile unconfined."
_STARTS = "tools run in processes of their own"


@dataclass(frozen=True, slots=True)
class Promise:
    """Something a kind of sandbox promises, and whether this machine keeps it."""

    name: str
    kept: bool
    hint: str = ""
    """What is wrong and how to mend it, when it is not kept."""


def check(kind: str) -> list[Promise]:
    """Return what a kind promises, tried out on this machine; takes a second.

    Raises:
        UnknownName: There is no such kind.
    """
    try:
        found = _found_inside(kind)
    except FleetgymError as error:
        return [Promise(_STARTS, kept=False, hint=str(error))]
    promises = [Promise(_STARTS, kept=True)]
    if kind != "none":
        promises += [
            Promise(name, kept=not seen, hint=f"An agent gets {', '.join(seen)}." if seen else "")
            for name, seen in found.items()
        ]
    if kind == "docker":
        promises += _promises_of_the_daemon()
    return promises


def _found_inside(kind: str) -> dict[str, list[str]]:
    """Return what can be reached inside that must not be, by promise."""
    sandboxes = provider(kind, max_idle=0)
    try:
        with (
            tempfile.TemporaryDirectory() as data,
            tempfile.NamedTemporaryFile() as secret,
            tempfile.NamedTemporaryFile(dir=home.cache()) as truth,
        ):
            spec = SandboxSpec(toolsets=(_TRIALS,))
            sandbox = sandboxes.open(spec, Path(data))
            with _listening() as port:
                arguments = {
                    # A container has a system of its own, files of the same names included.
                    "files": [secret.name, truth.name, *(["/etc/passwd"] * (kind == "local"))],
                    "packages": sorted(plugin_packages() - {"fleetgym"}),
                    "port": port,
                    "variables": sorted({*os.environ} - OWN_VARIABLES),
                    "process_namespace": os.stat("/proc/self/ns/pid").st_ino,  # noqa: PTH116
                }
                result = sandbox.call(ToolCall("try_everything", arguments))
            return json.loads(result.content)
    finally:
        sandboxes.close()


def _promises_of_the_daemon() -> list[Promise]:
    """Return what a container can only have when the daemon's kernel and settings allow it."""
    from fleetgym.sandboxes.docker_daemon import connect  # noqa: PLC0415 - imports docker

    with closing(connect()) as daemon:
        facts = daemon.facts
    limits = {"MemoryLimit": "memory", "CpuCfsQuota": "cpu", "PidsLimit": "pids"}
    missing = [controller for fact, controller in limits.items() if not facts.get(fact)]
    # For example "name=seccomp,profile=default"; nothing where it is switched off.
    filters = [option for option in facts["SecurityOptions"] if "name=seccomp" in option]
    filtered = bool(filters) and not any("profile=unconfined" in option for option in filters)
    return [
        Promise(
            "memory, processors and processes are limited together",
            kept=not missing,
            hint=f"Enable the cgroup controllers {', '.join(missing)}." if missing else "",
        ),
        Promise(
            "system calls are filtered",
            kept=filtered,
            hint="" if filtered else _FILTER,
        ),
    ]


@contextmanager
def _listening() -> Generator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
