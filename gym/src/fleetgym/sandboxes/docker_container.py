"""``docker``: the tool server in a container of its own."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from fleetgym.contracts.errors import SandboxError
from fleetgym.sandboxes.docker_daemon import DaemonGone, connect
from fleetgym.sandboxes.docker_owner import LABEL, owner_labels, remove_leftovers
from fleetgym.sandboxes.docker_settings import TOOLSETS, container_settings, image_name, places
from fleetgym.sandboxes.docker_streams import open_streams
from fleetgym.sandboxes.imports import refuse_forbidden
from fleetgym.sandboxes.launch import UNKNOWN_STATUS, Launcher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from fleetgym.contracts.sandbox import SandboxSpec
    from fleetgym.sandboxes.docker_daemon import Image
    from fleetgym.sandboxes.docker_streams import Streams
    from fleetgym.sandboxes.launch import Launch, Started

__all__ = ["RETURN_S", "Containers"]

_STARTS = 4
"""Containers that are started at once: more only wait for each other in the daemon."""

RETURN_S = 10.0
"""How long a daemon may be gone, as it is while it restarts, before episodes fail of it."""

_LOOK_S = 0.2
_LAST_WORDS_S = 5
_REMOVAL_S = 10
_PROVIDER = f"{LABEL}.provider"

_ADVICE = {
    False: (
        "Its toolsets and what they import must be in the image {image!r}: build one FROM "
        f"fleetgym-toolserver with the packages under {TOOLSETS}, and name it as the image of the "
        "SandboxSpec."
    ),
    True: (
        "The MCP server and what it needs must be in the image {image!r}, or in the mounts, where "
        "the user 65534 can read it."
    ),
}
"""By whether the server is foreign."""

_T = TypeVar("_T")


class Containers(Launcher):
    """Launches servers in containers of one daemon."""

    kind = "docker"

    def __init__(self) -> None:
        """Find the daemon, and remove what killed runners have left there.

        Raises:
            MissingDependency: There is no daemon that answers.
        """
        self._daemon = connect()
        self._images: dict[str, Image] = {}
        self._own = {_PROVIDER: uuid.uuid4().hex}
        # Threads of its own: those that wait for a daemon that hangs must not be missed elsewhere.
        self._threads = ThreadPoolExecutor(2 * _STARTS, thread_name_prefix="docker")
        self._starts = asyncio.Semaphore(_STARTS)
        self._gone_at: float | None = None
        with contextlib.suppress(SandboxError):  # they will be there at the next start, too
            remove_leftovers(self._daemon)

    def prepare(self, spec: SandboxSpec, jail: Path) -> Launch:
        """Say what the container will be like."""
        refuse_forbidden(spec.toolsets)
        return _ContainerLaunch(self, spec, jail)

    def provenance(self, spec: SandboxSpec) -> Mapping[str, str]:
        """Return the image's name and its digests."""
        name = image_name(spec)
        image = self._images.get(name)
        if image is None:
            return {}
        return {"image": name, "image_id": image.id, "image_digests": " ".join(image.digests)}

    def close(self) -> None:
        """Remove the containers that a start cut short, or a daemon that hung, has left."""
        try:
            for container in self._daemon.made(self._own):
                self._daemon.remove(container.id)
        except SandboxError:
            pass  # they carry our labels: whoever comes next finds them
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._daemon.close()

    async def start(self, spec: SandboxSpec, jail: Path) -> Started:
        """Make a container and start it, when not too many are being started."""
        async with self._starts:
            image = await self._image(image_name(spec))
            self._images[image_name(spec)] = image
            settings = container_settings(
                spec,
                jail,
                labels={**owner_labels("sandbox"), **self._own},
                foreign_variables=image.variables,
                host_cpus=self._daemon.cpus,
                version=self._daemon.version,
            )
            container = await self.ask(self._daemon.create, settings)
            try:
                streams, stdin = await open_streams(await self.ask(self._daemon.attach, container))
                try:
                    await self.ask(self._daemon.start, container)
                except BaseException:
                    stdin.close()
                    raise
            except BaseException:
                self._threads.submit(self._daemon.remove, container)
                raise
        return _Container(self, container, streams, stdin)

    async def _image(self, name: str) -> Image:
        """Return what is known of an image; give a daemon that restarts time to come back."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                image = await self.ask(self._daemon.image, name)
            except DaemonGone:
                # Once for all that wait: what comes later than that fails at once.
                self._gone_at = self._gone_at or loop.time()
                if loop.time() >= self._gone_at + RETURN_S:
                    raise
                await asyncio.sleep(_LOOK_S)
            else:
                self._gone_at = None
                return image

    async def ask(self, question: Callable[..., _T], *arguments: object) -> _T:
        """Return the daemon's answer without blocking the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, question, *arguments)

    async def end(self, container: str) -> None:
        """Remove a container, if the daemon lets us."""
        with contextlib.suppress(SandboxError):
            await self.ask(self._daemon.remove, container)

    async def exit_code(self, container: str) -> int:
        """Return what a container ended with, if it can still be known."""
        code = await self.ask(lambda: self._daemon.exit_code(container, timeout_s=_LAST_WORDS_S))
        return UNKNOWN_STATUS if code is None else code


class _ContainerLaunch:
    """A server that is a container."""

    def __init__(self, containers: Containers, spec: SandboxSpec, jail: Path) -> None:
        self._containers = containers
        self._spec = spec
        self._jail = jail
        self.mounts = places(spec)
        self.advice = _ADVICE[spec.foreign].format(image=image_name(spec))

    async def start(self) -> Started:
        return await self._containers.start(self._spec, self._jail)


class _Container:
    """A container that runs, in the shape of a process."""

    def __init__(
        self,
        containers: Containers,
        container: str,
        streams: Streams,
        stdin: asyncio.StreamWriter,
    ) -> None:
        self._containers = containers
        self._id = container
        self._removed: asyncio.Task[None] | None = None
        self.stdin = stdin
        self.stdout = streams.stdout
        self.stderr = streams.stderr
        self.returncode: int | None = None

    def terminate(self) -> None:
        """Remove the container: it holds nothing that anybody wants."""
        if self._removed is None:
            self._removed = asyncio.create_task(self._containers.end(self._id))

    def kill(self) -> None:
        """Listen to it no more."""
        self.terminate()
        self.stdin.transport.abort()

    async def wait(self) -> int:
        """Return its exit code; unknown when it was removed, or the daemon does not say."""
        if self.returncode is None:
            if self._removed is None:
                self.returncode = await self._containers.exit_code(self._id)
            else:
                # A daemon that hangs is waited for elsewhere, by nobody.
                await asyncio.wait({self._removed}, timeout=_REMOVAL_S)
                self.returncode = UNKNOWN_STATUS
        return self.returncode
