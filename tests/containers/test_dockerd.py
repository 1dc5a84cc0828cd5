"""The daemon that this project can start for itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleetgym_images.context import ROOT

Dockerd = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def dockerd(tmp_path: Path) -> Iterator[Dockerd]:
    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / "containers/dockerd", command],
            env={**os.environ, "FLEETGYM_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    yield run
    run("stop")


@pytest.mark.docker
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a daemon")
def test_a_daemon_is_started_once_and_ends_when_told(dockerd: Dockerd) -> None:
    first, second = dockerd("start"), dockerd("start")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == second.stdout == dockerd("status").stdout
    said = subprocess.run(
        ["docker", "--host", first.stdout.strip(), "image", "ls", "--quiet"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == ""
    assert dockerd("stop").returncode == 0
    assert dockerd("status").returncode != 0


def test_a_process_that_has_got_a_dead_daemons_number_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dockerd: Dockerd
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    state = f"{tmp_path}/docker".encode()
    number = subprocess.run(["cksum"], input=state, capture_output=True, check=True).stdout
    runtime = tmp_path / f"fleetgym-{number.split()[0].decode()}"
    runtime.mkdir()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        (runtime / "dockerd.pid").write_text(str(other.pid))
        assert dockerd("stop").returncode == 0
        assert other.poll() is None
