"""The few things that building images asks of a Docker daemon, by its command line.

The command line and not the SDK, because only it speaks to both of Docker's builders.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from fleetgym.contracts.errors import MissingDependency, OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["Image", "Python", "build", "check", "find", "pull", "python_of", "remove"]

_PULL_S = 600
# As the two builders announce it.
_STEP = re.compile(r"(?:Step \S+ : |#\d+ \[[^\]]+\] )((?:COPY|RUN) .*)")
_ASK_PYTHON = (
    "import os, platform, json; print(json.dumps([platform.python_version(), platform.machine(), "
    "os.confstr('CS_GNU_LIBC_VERSION')]))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that the daemon has."""

    id: str
    size_bytes: int
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Python:
    """What packages have to fit."""

    version: str
    """Such as ``3.11``."""

    platform: str
    """As uv names it, such as ``x86_64-manylinux_2_36``."""

    @property
    def site(self) -> str:
        """Where the virtual environment of an image has its packages."""
        return f"/opt/fleetgym/lib/python{self.version}/site-packages"


def check() -> None:
    """Make sure that there is a daemon.

    Raises:
        MissingDependency: There is none, or no command line to speak to it.
    """
    if shutil.which("docker") is None:
        raise MissingDependency(
            "Images are built by `docker`, which is not installed here. Debian has it as docker.io."
        )
    done = _docker("version", "--format", "{{.Server.Version}}")
    if done.returncode:
        raise MissingDependency(
            f"No Docker daemon answers: {done.stderr.strip()} `containers/dockerd start` starts "
            "one for this project."
        )


def find(name: str) -> Image | None:
    """Return an image of the daemon, or None."""
    done = _docker("image", "inspect", name)
    if done.returncode:
        return None
    found: dict[str, Any] = json.loads(done.stdout)[0]
    labels = cast("dict[str, str]", found["Config"].get("Labels") or {})
    return Image(id=found["Id"], size_bytes=found["Size"], labels=labels)


def pull(name: str) -> str:
    """Have the daemon pull an image; return why it could not, or an empty text."""
    try:
        done = _docker("pull", "--quiet", name, timeout=_PULL_S)
    except subprocess.TimeoutExpired:
        return f"it took longer than {_PULL_S} s"
    return done.stderr.strip() if done.returncode else ""


def python_of(image: str) -> Python:
    """Return which packages an image can import.

    Raises:
        OperatorError: It has no Python, or no glibc.
    """
    done = _docker(
        "run", "--rm", "--network=none", "--entrypoint=python3", image, "-c", _ASK_PYTHON
    )
    if done.returncode:
        reason = done.stderr.partition("\n")[0]
        raise OperatorError(
            f"The base image {image!r} has no Python: {reason}. "
            "It must hold 3.11 or newer, as `python:3.11-slim-bookworm` does."
        )
    version, machine, libc = json.loads(done.stdout)
    name, _, glibc = str(libc).partition(" ")
    if name != "glibc":
        raise OperatorError(
            f"The base image {image!r} has {libc!r}; packages need glibc. Take one with Debian."
        )
    major, minor = map(int, str(version).split(".")[:2])
    if (major, minor) < (3, 11):
        raise OperatorError(f"The base image {image!r} has Python {version}; 3.11 is needed.")
    return Python(
        version=f"{major}.{minor}", platform=f"{machine}-manylinux_{glibc.replace('.', '_')}"
    )


def build(
    write: Callable[[IO[bytes]], None],
    tag: str,
    *,
    arguments: Mapping[str, str],
    labels: Mapping[str, str],
    log: Path,
    progress: Callable[[str], None],
) -> Image:
    """Build an image.

    Args:
        write: Writes an archive with the Dockerfile and all that it copies.
        tag: Name of the image.
        arguments: Build arguments.
        labels: What the image says of itself, beside what its Dockerfile says.
        log: Gets all that the builder says.
        progress: Is told each step that takes time.

    Raises:
        OperatorError: It failed; the message ends with what the daemon said.
    """
    flags = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    flags += [f"--label={name}={value}" for name, value in labels.items()]
    command = ["docker", "build", "--network=none", f"--tag={tag}", *flags, "-"]
    with (
        log.open("w", encoding="utf-8") as said,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_plain(),
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        # A builder that has failed has said why, and reads no further.
        with contextlib.suppress(BrokenPipeError), process.stdin:
            write(process.stdin)
        for line in io.TextIOWrapper(process.stdout, errors="replace"):
            said.write(line)
            if step := _STEP.match(line):
                progress(step[1])
    image = find(tag)
    if process.returncode or image is None:
        tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-15:])
        raise OperatorError(f"{tag} could not be built; all that was said is in {log}:\n{tail}")
    return image


def remove(image: Image) -> None:
    """Remove an image that has no name any more, unless a container still stands on it."""
    _docker("image", "rm", image.id)


def _plain() -> dict[str, str]:
    return {**os.environ, "BUILDKIT_PROGRESS": "plain", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}


def _docker(*arguments: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=False, timeout=timeout
    )
