"""A Docker daemon for tests that need one, with this tree's images.

It is the one of the environment, when that answers; else one of our own (``containers/dockerd``),
which keeps its images between sessions and ends with the last test process that uses it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleetgym import home
from fleetgym.version import __version__

__all__ = ["container_image", "docker_daemon"]

ROOT = Path(__file__).parents[1]
# A test may give itself another home while the session's fixtures are made.
_STATE = home.home() / "docker"
_SCRIPT = str(ROOT / "containers/dockerd")
_OURS = _STATE / "started-by-tests"


@pytest.fixture(scope="session")
def docker_daemon() -> Generator[str]:
    """Give the address of a daemon that has the tool server's image; it is in DOCKER_HOST, too."""
    with _daemon() as address, pytest.MonkeyPatch.context() as environment:
        environment.setenv("DOCKER_HOST", address)
        _build("toolserver")
        yield address


@pytest.fixture(scope="session")
def container_image(docker_daemon: str) -> Callable[[str], str]:
    """Give a function from ``toolserver``, or a plugin's name, to its image; it builds that."""

    def image(name: str) -> str:
        _build(name)
        title = name if name == "toolserver" else f"executor-{name}"
        return f"fleetgym-{title}:{__version__}"

    return image


@contextmanager
def _daemon() -> Generator[str]:
    address = os.environ.get("DOCKER_HOST", "")
    if _answers(address):
        yield address or "unix:///var/run/docker.sock"
        return
    if address:
        pytest.fail(f"No Docker daemon answers at DOCKER_HOST={address!r}. Start or unset it.")
    with _own_daemon() as own:
        yield own


@contextmanager
def _own_daemon() -> Generator[str]:
    """Share one daemon among test processes; the last stops it, if one of them has started it."""
    _STATE.mkdir(parents=True, exist_ok=True)
    with (_STATE / ".turn").open("w") as turn, (_STATE / ".users").open("w") as users:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if _run(_SCRIPT, "status").returncode:
            started = _run(_SCRIPT, "start")
            if started.returncode:
                pytest.fail(f"Tests of containers need a Docker daemon. {started.stderr.strip()}")
            _OURS.touch()
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_UN)
        try:
            yield _run(_SCRIPT, "status").stdout.strip()
        finally:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if _OURS.exists() and _is_last(users.fileno()):
                _run(_SCRIPT, "stop")
                _OURS.unlink()


def _is_last(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _answers(address: str) -> bool:
    if shutil.which("docker") is None:
        return False
    where = ["--host", address] if address else []
    return _run("docker", *where, "version").returncode == 0


def _build(name: str) -> None:
    # Tests pull nothing where they can do without.
    base = _run("docker", "image", "inspect", "fleetgym-base")
    if base.returncode and shutil.which("debootstrap") and os.geteuid() == 0:
        _must(str(ROOT / "containers/base/make"))
    _must(sys.executable, str(ROOT / "containers/build"), name)


def _must(*command: str) -> None:
    done = _run(*command)
    if done.returncode:
        pytest.fail(f"{' '.join(command)} failed:\n{done.stderr.strip()}")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FLEETGYM_HOME": str(_STATE.parent)}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
