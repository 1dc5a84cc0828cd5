"""Daemons that are absent, hang or die: no score, no hang, and a message that says so."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemon_proxy import proxy_of
from fleetgym.contracts.errors import MissingDependency, SandboxError, SandboxTimeout
from fleetgym.contracts.sandbox import Limits
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.sandboxes import conversation, docker_container, provider
from fleetgym.sandboxes import docker_daemon as daemon_module

if TYPE_CHECKING:
    from conftest import World
    from daemon_proxy import DaemonProxy
    from fleetgym.contracts.sandbox import Sandbox
    from own_daemon import OwnDaemon

pytestmark = [
    pytest.mark.docker,
    # The SDK drops sockets that it could not connect.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


HELLO = ToolCall("echo", {"text": "a"})


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_container, "RETURN_S", 0.0)


@pytest.fixture(autouse=True)
def dropped_sockets() -> Iterator[None]:
    """Let them be collected here and in no other test."""
    yield
    gc.collect()


def begin_hanging(sandbox: Sandbox, data: Path, threads: ThreadPoolExecutor) -> Any:
    """Call a tool that never answers; return when it says through the data that it has begun."""
    call = threads.submit(sandbox.call, ToolCall("hang", {"text": "/sandbox/data/begun"}))
    (data / "begun").read_text()
    return call


@pytest.fixture
def pipe(in_docker: World) -> None:
    begun = in_docker.data / "begun"
    os.mkfifo(begun)
    begun.chmod(0o666)


def test_without_a_daemon_the_message_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(
        MissingDependency,
        match=r"none\.sock was asked who it is, and could not be reached: No such file or "
        r"directory\. Start it \(`systemctl start docker`\)",
    ):
        provider("docker")


def test_a_daemon_that_never_answers_is_told_within_its_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(daemon_module, "_CONNECT_S", 1)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/deaf.sock")
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf.sock"))
        deaf.listen()
        with pytest.raises(MissingDependency, match="did not answer within 1 s"):
            provider("docker")


def test_a_daemon_that_falls_silent_voids_the_next_episode_within_its_time(
    in_docker: World, daemon_proxy: DaemonProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon_module, "ANSWER_S", 1)
    with closing(provider("docker")) as sandboxes:
        daemon_proxy.fall_silent()
        with pytest.raises(SandboxTimeout, match="did not answer within 1 s"):
            sandboxes.open(in_docker.spec(), in_docker.data)


@pytest.mark.usefixtures("pipe")
def test_a_daemon_that_dies_ends_calls_and_later_episodes_with_an_error(
    in_docker: World, daemon_proxy: DaemonProxy
) -> None:
    with closing(provider("docker")) as sandboxes, ThreadPoolExecutor(1) as threads:
        sandbox = sandboxes.open(in_docker.spec(), in_docker.data)
        call = begin_hanging(sandbox, in_docker.data, threads)
        daemon_proxy.die()
        with pytest.raises(SandboxError, match="died during hang"):
            call.result(timeout=30)
        sandbox.close()
        with pytest.raises(SandboxError, match="could not be reached"):
            sandboxes.open(in_docker.spec(), in_docker.data)


def test_a_daemon_that_comes_back_is_used_again(
    in_docker: World, docker_daemon: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with proxy_of(docker_daemon, tmp_path) as first:
        monkeypatch.setenv("DOCKER_HOST", first.address)
        sandboxes = provider("docker")
        sandbox = sandboxes.open(in_docker.spec(), in_docker.data)
        first.die()
        with pytest.raises(SandboxError):
            sandbox.call(HELLO)
        sandbox.close()
    monkeypatch.setattr(docker_container, "RETURN_S", 60.0)
    with closing(sandboxes), ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(sandboxes.open, in_docker.spec(), in_docker.data)
        assert not waiting.done()
        with proxy_of(docker_daemon, tmp_path):
            assert waiting.result(timeout=60).call(HELLO) == ToolResult("a")
            sandboxes.close()


@pytest.mark.slow
@pytest.mark.usefixtures("pipe")
def test_a_dockerd_that_is_killed_ends_calls_with_an_error(
    in_docker: World, own_dockerd: OwnDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", own_dockerd.address)
    with closing(provider("docker")) as sandboxes, ThreadPoolExecutor(1) as threads:
        sandbox = sandboxes.open(in_docker.spec(), in_docker.data)
        call = begin_hanging(sandbox, in_docker.data, threads)
        own_dockerd.kill()
        with pytest.raises(SandboxError, match="died during hang"):
            call.result(timeout=30)
        sandbox.close()
        with pytest.raises(SandboxError, match="could not be reached"):
            sandboxes.open(in_docker.spec(), in_docker.data)


@pytest.mark.slow
def test_a_dockerd_that_is_stopped_ends_calls_within_their_time(
    in_docker: World, own_dockerd: OwnDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", own_dockerd.address)
    monkeypatch.setattr(daemon_module, "ANSWER_S", 1)
    monkeypatch.setattr(conversation, "PATIENCE_S", 1)
    with closing(provider("docker")) as sandboxes:
        spec = in_docker.spec(limits=Limits(call_seconds=1))
        sandbox = sandboxes.open(spec, in_docker.data)
        own_dockerd.stop()
        with pytest.raises(SandboxTimeout, match="echo did not answer within 2 s"):
            sandbox.call(ToolCall("echo", {"text": "a"}))
        sandbox.close()
        own_dockerd.go_on()
