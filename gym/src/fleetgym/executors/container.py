"""``docker``: each run in a container of its own, started ahead of it.

The daemon's seccomp profile lets nobody inside make namespaces, so one container could not keep
its runs apart. Its image holds the plugin and all that it stands on, as it was built.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import OperatorError, SandboxError
from fleetgym.executors.launch import ENVIRONMENT, worker_arguments
from fleetgym.sandboxes.docker_daemon import connect
from fleetgym.sandboxes.docker_owner import owner_labels, remove_leftovers
from fleetgym.sandboxes.docker_streams import open_streams
from fleetgym.version import __version__
from fleetgym.worker.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym.executors.launch import Process
    from fleetgym.registry import RegisteredFramework
    from fleetgym.sandboxes.docker_daemon import Daemon, Image
    from fleetgym.sandboxes.docker_streams import Streams

__all__ = ["Containers", "image_name"]

_HOME = "/fleetgym/home"
_PLACE = "/fleetgym/place"
_PYTHON = "/opt/fleetgym/bin/python"
_NOBODY = 65534
_STARTS = 2
_LOOK_S = 0.25
_WARM_BYTES = 512 << 20
"""What a framework may hold before its run has begun: a run's limit is on top of that."""


def image_name(framework: RegisteredFramework) -> str:
    """Return the image that a framework runs in."""
    return f"fleetgym-executor-{framework.spec.name}:{__version__}"


class Containers:
    """Launches warm processes in containers of one daemon."""

    kind = "docker"
    private_network = True

    def __init__(self, limits: Limits | None = None) -> None:
        """Find the daemon, and remove what killed runners have left there.

        Raises:
            MissingDependency: There is no daemon that answers.
        """
        self._daemon = connect()
        self._limits = limits or Limits()
        self._images: dict[str, Image] = {}
        self._starts = asyncio.Semaphore(_STARTS)
        self._running: dict[str, asyncio.Event] = {}
        self._looking: asyncio.Task[None] | None = None
        with contextlib.suppress(SandboxError):  # they will be there at the next start, too
            remove_leftovers(self._daemon)

    def single(self) -> bool:
        """One run a container is what keeps them apart."""
        return True

    def part_by_processes(self) -> None:
        """It is so already."""

    def facts(self, framework: RegisteredFramework) -> Mapping[str, str]:
        """Return the image and its digests.

        Raises:
            MissingDependency: The daemon does not have it.
            OperatorError: It does not answer.
        """
        name = image_name(framework)
        try:
            image = self._images[name] = self._daemon.image(name)
        except SandboxError as error:
            raise OperatorError(str(error)) from error
        return {"image": name, "image_id": image.id, "image_digests": " ".join(image.digests)}

    async def launch(
        self, framework: RegisteredFramework, place: Path, log: Path, *, single: bool
    ) -> Process:
        """Start a container."""
        assert single, "a container has one run"
        name = image_name(framework)
        await asyncio.to_thread(place.chmod, 0o777)  # its parent lets in nobody but us
        settings = _settings(
            framework,
            place,
            limits=self._limits,
            image=name,
            foreign_variables=self._images[name].variables if name in self._images else (),
            daemon=self._daemon,
        )
        # Whoever gives up waiting must not leave a container behind that nobody knows.
        starting = asyncio.create_task(self._start(settings, log))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            with contextlib.suppress(SandboxError):
                await (await starting).end()
            raise
        except SandboxError as error:
            raise OperatorError(f"{framework.spec.name}: {error}") from error

    async def _start(self, settings: Mapping[str, Any], log: Path) -> _Container:
        # More at a time only wait for each other in the daemon, and for the processors.
        async with self._starts:
            container = await asyncio.to_thread(self._daemon.create, settings)
            try:
                attached = await asyncio.to_thread(self._daemon.attach, container)
                streams, stdin = await open_streams(attached)
                await asyncio.to_thread(self._daemon.start, container)
            except BaseException:
                await asyncio.to_thread(self._daemon.remove, container)
                raise
        gone = self._running[container] = asyncio.Event()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return _Container(self._daemon, container, streams=streams, stdin=stdin, log=log, gone=gone)

    async def _look(self) -> None:
        """Notice which containers are gone; the connection to one that ended may stay open."""
        while self._running:
            await asyncio.sleep(_LOOK_S)
            known = set(self._running)
            with contextlib.suppress(SandboxError):
                there = {one.id for one in await asyncio.to_thread(self._daemon.made)}
                for container in known - there:
                    self._running.pop(container).set()


class _Container:
    def __init__(
        self,
        daemon: Daemon,
        container: str,
        *,
        streams: Streams,
        stdin: asyncio.StreamWriter,
        log: Path,
        gone: asyncio.Event,
    ) -> None:
        self._gone = gone
        self._daemon = daemon
        self._id = container
        self._streams = streams
        self._stdin = stdin
        self._log = log
        self._ending = asyncio.create_task(self._follow())

    @property
    def pid(self) -> int:
        """There is none here that would end it."""
        raise NotImplementedError

    async def answer(self) -> bytes:
        """Return the line that it says once it is ready."""
        return await self._streams.stdout.readline()

    async def _follow(self) -> None:
        """Keep the last of what it prints, until it ends, and then see that it is gone."""
        reading = asyncio.create_task(self._read())
        gone = asyncio.create_task(self._gone.wait())
        await asyncio.wait({reading, gone}, return_when=asyncio.FIRST_COMPLETED)
        self._stdin.transport.abort()
        await reading
        gone.cancel()
        with contextlib.suppress(SandboxError):
            await asyncio.to_thread(self._daemon.remove, self._id)

    async def _read(self) -> None:
        last = b""
        while said := await self._streams.stderr.read(1 << 16):
            last = (last + said)[-(1 << 16) :]
        await asyncio.to_thread(self._log.write_bytes, last)

    async def wait(self) -> None:
        """Return when it has ended."""
        await asyncio.shield(self._ending)

    async def end(self) -> None:
        """Remove it: it holds nothing that anybody wants."""
        self._stdin.transport.abort()
        await self.wait()


def _settings(
    framework: RegisteredFramework,
    place: Path,
    *,
    limits: Limits,
    image: str,
    foreign_variables: tuple[str, ...],
    daemon: Daemon,
) -> dict[str, Any]:
    """Return the arguments of the SDK's ``create_container``."""
    from docker.types import HostConfig, LogConfig, Mount, Ulimit  # noqa: PLC0415

    declared = framework.spec.environment.items()
    environment = {
        **ENVIRONMENT,
        "HOME": _HOME,
        "TMPDIR": _HOME,
        **{name: value.format(home=_HOME) for name, value in declared},
    }
    # A name without a value removes the variable. The daemon sets HOSTNAME by itself.
    removed = {*foreign_variables, "HOSTNAME"} - environment.keys()
    own = f"uid={_NOBODY},gid={_NOBODY}"
    memory = limits.memory_bytes + limits.home_bytes + _WARM_BYTES
    return {
        "image": image,
        "entrypoint": [_PYTHON],
        "command": [
            *worker_arguments(framework, _PLACE, os.devnull),
            *("--single", "--home", _HOME, "--limits", json.dumps(asdict(limits))),
        ],
        "user": f"{_NOBODY}:{_NOBODY}",
        "hostname": "agent",
        "working_dir": _HOME,
        "environment": [f"{name}={value}" for name, value in environment.items()] + sorted(removed),
        "use_config_proxy": False,  # or the SDK would add the host's proxies to the environment
        "stdin_open": True,  # with StdinOnce: the worker hears it when the runner is gone
        "tty": False,
        "labels": owner_labels("agent"),
        "healthcheck": {"test": ["NONE"]},
        "host_config": HostConfig(
            version=daemon.version,
            mounts=[
                Mount(_PLACE, str(place), type="bind", propagation="rprivate"),
            ],
            tmpfs={
                _HOME: f"rw,exec,nosuid,nodev,size={limits.home_bytes},"
                f"nr_inodes={limits.home_files},mode=0700,{own}"
            },
            read_only=True,
            network_mode="none",
            ipc_mode="private",
            shm_size="16m",
            cap_drop=["ALL"],
            # The daemon's own seccomp profile applies as long as none is named here.
            security_opt=["no-new-privileges:true"],
            mem_limit=memory,
            memswap_limit=memory,
            nano_cpus=math.floor(min(2, daemon.cpus) * 10**9),
            pids_limit=4 * limits.processes + 64,
            ulimits=[
                Ulimit(name=name, soft=most, hard=most)
                for name, most in (
                    ("core", 0),
                    ("fsize", limits.file_bytes),
                    ("msgqueue", 0),
                    ("nofile", limits.files),
                )
            ],
            oom_score_adj=500,
            log_config=LogConfig(type="none"),
            auto_remove=True,
            init=False,
        ),
    }
