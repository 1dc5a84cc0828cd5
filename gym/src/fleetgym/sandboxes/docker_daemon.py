"""Talks to the Docker daemon. Every answer is waited for, but none for ever.

All methods block and may be called from any thread. What the daemon refuses, and what it does not
answer, is a :class:`SandboxError`: it voids an episode and scores nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker
import requests.exceptions
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from fleetgym.contracts.errors import MissingDependency, SandboxError, SandboxTimeout, SpecError
from fleetgym.sandboxes.docker_owner import LABEL

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

__all__ = ["ANSWER_S", "Daemon", "DaemonGone", "Image", "MadeContainer", "connect"]

ANSWER_S = 30
"""How long the daemon may take to answer anything; starting a container takes it 0.2 s."""

_CONNECT_S = 10
"""How long it may take to answer for the first time."""

_START = (
    "Start it (`systemctl start docker`), or name another one in DOCKER_HOST, or use the sandbox "
    "'local', which needs none."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What is known of an image."""

    id: str
    """Digest of its configuration, and so of all it holds."""

    digests: tuple[str, ...]
    """Its names by digest in registries that it was pulled from or pushed to."""

    variables: tuple[str, ...]
    """Names of the environment variables that it sets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeContainer:
    """A container of fleetgym's, running or not."""

    id: str
    labels: Mapping[str, str]


class Daemon:
    """One Docker daemon."""

    def __init__(self, client: Any, facts: Mapping[str, Any]) -> None:
        self._client = client
        self.facts = facts
        """What it says of itself, as ``docker info`` shows it."""

    @property
    def cpus(self) -> int:
        """Processors of its machine."""
        return int(self.facts["NCPU"])

    @property
    def version(self) -> str:
        """Of the interface, as agreed on."""
        return str(self._client.api_version)

    def image(self, name: str) -> Image:
        """Return what is known of an image.

        Raises:
            MissingDependency: The daemon does not have it.
            SpecError: It has volumes, which could be written without limit.
        """
        try:
            with _asking(f"about the image {name!r}"):
                found: dict[str, Any] = self._client.inspect_image(name)
        except ImageNotFound as error:
            raise MissingDependency(
                f"The Docker daemon at {_address()} has no image {name!r}. `make images` builds "
                "fleetgym's own; others are loaded with `docker pull` or `docker load`."
            ) from error
        config: dict[str, Any] = found.get("Config") or {}
        if config.get("Volumes"):
            raise SpecError(
                f"Image {name!r} declares the volumes {', '.join(config['Volumes'])}, which an "
                "agent could fill without limit. Build it without VOLUME."
            )
        variables = (entry.partition("=")[0] for entry in config.get("Env") or ())
        return Image(
            id=found["Id"],
            digests=tuple(found.get("RepoDigests") or ()),
            variables=tuple(variables),
        )

    def create(self, settings: Mapping[str, Any]) -> str:
        """Make a container; return its id."""
        with _asking("for a container"):
            return str(self._client.create_container(**settings)["Id"])

    def attach(self, container: str) -> socket.socket:
        """Return a connection to a container's standard streams; to be called before it starts."""
        parameters = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        with _asking("to be connected with a container"):
            raw: Any = self._client.attach_socket(container, parameters)
            # The SDK leaves its response with the socket, to be closed by whoever comes last. Ours
            # is a duplicate, so that the event loop owns what it gets.
            with contextlib.closing(raw._response):  # noqa: SLF001 - 7.2 has no other way
                attached = socket.socket(fileno=os.dup(raw.fileno()))
        attached.setblocking(False)
        return attached

    def start(self, container: str) -> None:
        """Start it."""
        with _asking("to start a container"):
            self._client.start(container)

    def exit_code(self, container: str, *, timeout_s: int) -> int | None:
        """Return what a container ended with; None when it is gone, or still runs after a time."""
        with contextlib.suppress(NotFound, SandboxError), _asking("how a container ended"):
            return int(self._client.wait(container, timeout=timeout_s)["StatusCode"])
        return None

    def remove(self, container: str) -> None:
        """Kill and remove it; return when it is gone."""
        try:
            with _asking("to remove a container"):
                self._client.remove_container(container, force=True, v=True)
        except NotFound:
            return
        except _Conflict:  # it is being removed already
            return

    def made(self, labels: Mapping[str, str] | None = None) -> Sequence[MadeContainer]:
        """Return fleetgym's containers that carry all these labels."""
        wanted = [LABEL, *(f"{name}={value}" for name, value in (labels or {}).items())]
        with _asking("for its containers"):
            found: list[dict[str, Any]] = self._client.containers(
                all=True, filters={"label": wanted}
            )
        return [MadeContainer(id=one["Id"], labels=one["Labels"]) for one in found]

    def close(self) -> None:
        """Forget the connections."""
        self._client.close()


def connect() -> Daemon:
    """Return the daemon that ``DOCKER_HOST`` names, by default this machine's own.

    Raises:
        MissingDependency: There is none that answers.
    """
    try:
        with _asking("who it is", seconds=_CONNECT_S):
            client: Any = docker.from_env(timeout=_CONNECT_S).api
            try:
                _refuse_encrypted(client.base_url)
                facts: dict[str, Any] = client.info()
            except BaseException:
                client.close()
                raise
    except SandboxError as error:
        raise MissingDependency(
            f"The sandbox 'docker' needs a Docker daemon, and there is no help from one. {error} "
            f"{_START}"
        ) from error
    client.timeout = ANSWER_S
    return Daemon(client, facts)


def _refuse_encrypted(url: str) -> None:
    """Streams of containers are read from plain sockets; and a far daemon would not do anyhow."""
    if url.startswith(("https:", "http+docker://ssh")):
        raise MissingDependency(
            f"The Docker daemon at {_address()} cannot be used for sandboxes: they mount "
            "directories of this machine. Name a daemon that runs on it, by unix:// or by tcp:// "
            "without TLS."
        )


class DaemonGone(SandboxError):
    """Nobody listens where the daemon should."""


class _Conflict(SandboxError):
    """The daemon is doing it already."""


@contextlib.contextmanager
def _asking(what: str, *, seconds: int | None = None) -> Generator[None]:
    """Tell the errors of one request to the daemon in our words; NotFound is the caller's."""
    try:
        yield
    except NotFound:
        raise
    except APIError as error:
        kind = _Conflict if error.status_code == requests.codes.conflict else SandboxError
        raise kind(
            f"The Docker daemon at {_address()} was asked {what}, and refused: "
            f"{error.explanation or error}."
        ) from error
    except (DockerException, requests.exceptions.RequestException, OSError) as error:
        root = _root(error)
        if isinstance(root, TimeoutError) or "timed out" in str(root):
            raise SandboxTimeout(
                f"The Docker daemon at {_address()} was asked {what}, and did not answer within "
                f"{seconds or ANSWER_S} s."
            ) from error
        reason = root.strerror if isinstance(root, OSError) and root.strerror else str(root)
        raise DaemonGone(
            f"The Docker daemon at {_address()} was asked {what}, and could not be reached: "
            f"{reason}."
        ) from error


def _root(error: BaseException) -> BaseException:
    """Return what an error began with."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def _address() -> str:
    return os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
