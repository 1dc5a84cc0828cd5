"""All that is set on a sandbox's container. Nothing of this asks the daemon."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from docker.types import HostConfig, LogConfig, Mount, Ulimit

from fleetgym.sandboxes.launch import ENVIRONMENT
from fleetgym.sandboxes.server_command import fill_in, server_arguments
from fleetgym.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from fleetgym.contracts.sandbox import Limits, SandboxSpec

__all__ = ["PLACE", "TOOLSETS", "container_settings", "image_name", "places"]

PLACE = "/sandbox"
"""Holds the mounts and the scratch space inside."""

TOOLSETS = "/opt/fleetgym/toolsets"
"""Where an image that is built from ours puts packages of its own."""

_PYTHON = "/opt/fleetgym/bin/python"
_SCRATCH = f"{PLACE}/scratch"
_NOBODY = 65534
_SERVER_BYTES = 768 * 1024**2
"""What a warm server may hold before an episode has begun: its limit is on top of that."""

_SMALLEST_FILE = 4096
"""So many bytes of scratch space pay for one file."""


def image_name(spec: SandboxSpec) -> str:
    """Return the image that a spec asks for."""
    return spec.image or f"fleetgym-toolserver:{__version__}"


def places(spec: SandboxSpec) -> dict[str, str]:
    """Return each mount's directory inside."""
    return {name: f"{PLACE}/{name}" for name in (*spec.mounts, "data")}


def container_settings(
    spec: SandboxSpec,
    jail: Path,
    *,
    labels: Mapping[str, str],
    foreign_variables: Iterable[str],
    host_cpus: int,
    version: str,
) -> dict[str, Any]:
    """Return the arguments of the SDK's ``create_container``.

    Args:
        spec: What the sandbox offers.
        jail: The server's directory on the host, of which it sees ``data``.
        labels: Of the container.
        foreign_variables: Names that the image sets, which are taken away again.
        host_cpus: The daemon refuses more than it has.
        version: Of the daemon's interface.
    """
    sources = {**spec.mounts, "data": jail / "data"}
    environment = {"HOME": _SCRATCH, "TMPDIR": _SCRATCH}
    if not _as_it_is(spec):
        environment |= {**ENVIRONMENT, "PYTHONPATH": TOOLSETS}
    # A name without a value removes the variable. The daemon sets HOSTNAME by itself.
    inherited = () if _as_it_is(spec) else foreign_variables
    removed = {*inherited, "HOSTNAME"} - environment.keys()
    return {
        "image": image_name(spec),
        **_started(spec),
        "user": f"{_NOBODY}:{_NOBODY}",
        "hostname": "sandbox",
        "environment": [f"{name}={value}" for name, value in environment.items()] + sorted(removed),
        "use_config_proxy": False,  # or the SDK would add the host's proxies to the environment
        "stdin_open": True,  # with StdinOnce: the server hears it when the host is gone
        "tty": False,
        "labels": dict(labels),
        "healthcheck": {"test": ["NONE"]},
        "host_config": _host_config(
            spec.limits,
            [
                Mount(
                    places(spec)[name],
                    str(source.resolve()),
                    type="bind",
                    read_only=True,
                    propagation="rprivate",
                )
                for name, source in sources.items()
            ],
            host_cpus=host_cpus,
            version=version,
        ),
    }


def _as_it_is(spec: SandboxSpec) -> bool:
    """Return whether an image holds an MCP server, and nothing of ours."""
    return spec.foreign and bool(spec.image)


def _started(spec: SandboxSpec) -> dict[str, Any]:
    """Return what is started in the container."""
    if _as_it_is(spec):
        filled = {**places(spec), "scratch": _SCRATCH, "python": "python3"}
        # Nothing to tell: what the image's author meant it to be told by default.
        return {"command": list(fill_in(spec.server, filled)) or None}
    arguments = server_arguments(
        spec, places(spec), scratch=_SCRATCH, python=_PYTHON, isolated=True
    )
    return {
        "entrypoint": [_PYTHON, "-P", "-s"],
        "command": list(arguments),
        "working_dir": _SCRATCH,
    }


def _host_config(limits: Limits, mounts: list[Mount], *, host_cpus: int, version: str) -> Any:
    # The tool server limits each process's memory; this bounds all of them together, and the
    # files in scratch space, which are memory, too.
    memory = limits.memory_bytes + limits.scratch_bytes + _SERVER_BYTES
    files = max(64, limits.scratch_bytes // _SMALLEST_FILE)
    scratch = (
        f"rw,exec,nosuid,nodev,size={limits.scratch_bytes},nr_inodes={files},"
        f"mode=0700,uid={_NOBODY},gid={_NOBODY}"
    )
    return HostConfig(
        version=version,
        mounts=mounts,
        tmpfs={_SCRATCH: scratch},
        read_only=True,
        network_mode="none",
        ipc_mode="none",  # no /dev/shm, which could be written
        # What an episode left in these would be there for the next.
        sysctls={"kernel.shmmni": "0", "kernel.msgmni": "0", "fs.mqueue.queues_max": "0"},
        cap_drop=["ALL"],
        # The daemon's own seccomp profile applies as long as none is named here.
        security_opt=["no-new-privileges:true"],
        mem_limit=memory,
        memswap_limit=memory,
        nano_cpus=math.floor(min(limits.cpus, host_cpus) * 10**9),
        # Threads count as well. The tool server ends an episode of too many processes long
        # before, and says so; this holds when it cannot.
        pids_limit=4 * limits.processes + 64,
        ulimits=[
            Ulimit(name=name, soft=most, hard=most)
            for name, most in (
                ("core", 0),
                ("fsize", limits.scratch_bytes),
                ("msgqueue", 0),
                ("nofile", limits.open_files),
            )
        ],
        oom_score_adj=500,
        log_config=LogConfig(type="none"),
        auto_remove=True,
        init=False,  # the tool server is process 1 and reaps what it adopts
    )
