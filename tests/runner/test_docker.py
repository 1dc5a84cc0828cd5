"""Suites whose tools run in containers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import pytest

from fleetgym.contracts.record import Outcome
from fleetgym.records.store import scan
from fleetgym.version import __version__

sys.path.insert(0, str(Path(__file__).parents[1] / "sandboxes"))

from daemon_proxy import proxy_of

pytestmark = [pytest.mark.docker, pytest.mark.frameworks, pytest.mark.slow]

Run = Callable[..., subprocess.CompletedProcess[str]]

SUITE = """\
name: containers
frameworks: [langgraph]
scenarios: ["cti/linux-cron-persistence"]
models: [policy/expert]
seeds: {seeds}
reference: false
"""


@pytest.fixture
def suite(tmp_path: Path) -> Callable[[str], Path]:
    def write(seeds: str) -> Path:
        path = tmp_path / "suite.yaml"
        path.write_text(SUITE.format(seeds=seeds))
        return path

    return write


def test_a_suite_in_containers_scores_as_it_does_elsewhere_and_names_its_image(
    suite: Callable[[str], Path], fleetgym: Run, docker_daemon: str, tmp_path: Path
) -> None:
    for kind in ("docker", "local"):
        done = fleetgym("run", suite("0-1"), "--sandbox", kind, "--out", tmp_path / kind)
        assert done.returncode == 0, done.stderr

    images: Any = docker.APIClient(docker_daemon)
    with closing(images):
        digest: str = images.inspect_image(f"fleetgym-toolserver:{__version__}")["Id"]
    contained, local = (scan(tmp_path / kind).records for kind in ("docker", "local"))
    assert [r.outcome for r in contained] == [Outcome.SUCCESS] * 2
    assert {r.run_id: [(step.content, step.reward) for step in r.steps] for r in contained} == {
        r.run_id: [(step.content, step.reward) for step in r.steps] for r in local
    }
    for record in contained:
        assert record.manifest["sandbox"] == "docker"
        assert record.manifest["sandbox_made_of"]["image_id"] == digest


def test_runs_whose_daemon_died_are_void_and_done_again_when_it_is_back(
    suite: Callable[[str], Path], fleetgym: Run, docker_daemon: str, tmp_path: Path
) -> None:
    path, out = suite("0-11"), tmp_path / "runs"
    command = ["run", str(path), "--out", str(out), "--sandbox", "docker", "--json"]
    with proxy_of(docker_daemon, tmp_path) as proxy:
        runner = subprocess.Popen(
            [sys.executable, "-m", "fleetgym.cli", *command],
            env={**os.environ, "DOCKER_HOST": proxy.address},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert runner.stderr is not None
        for line in runner.stderr:
            if "[2/12]" in line:
                break
        proxy.die()
        told, _ = runner.communicate(timeout=120)

    assert runner.returncode == 4
    runs = json.loads(told)["runs"]
    assert len(runs) == 12
    assert {(run["outcome"], run["score"]) for run in runs} == {("success", 1.0), ("void", None)}
    assert fleetgym(*command).returncode == 0
    assert [record.outcome for record in scan(out).records] == [Outcome.SUCCESS] * 12


def test_a_machine_without_a_daemon_is_told_at_once(
    suite: Callable[[str], Path], fleetgym: Run, docker_daemon: str, tmp_path: Path
) -> None:
    done = fleetgym(
        "run", suite("0"), "--out", tmp_path / "runs", "--sandbox", "docker",
        environment={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"},
    )  # fmt: skip
    assert done.returncode == 3
    assert "systemctl start docker" in done.stderr
