"""The four frameworks measure the same wherever they run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleetgym.records.store import scan

ALL = "langchain, langgraph, autogen, crewai"

Run = Callable[..., subprocess.CompletedProcess[str]]


def played(fleetgym: Run, suite: Path, out: Path, kind: str) -> dict[str, Any]:
    """Return what the records of a suite hold, without what differs from one time to the next."""
    done = fleetgym("run", suite, "--out", out / kind, "--isolate", kind)
    assert done.returncode == 0, done.stderr
    assert ("isolates nothing" in done.stderr) == (kind == "none")
    records = scan(out / kind).records
    assert {record.manifest["isolation"]["kind"] for record in records} == {kind}
    assert all(record.usage.cpu_s > 0 for record in records)
    return {
        record.run_id: [
            record.outcome,
            record.score,
            record.worker,
            [(step.name, step.arguments, step.content) for step in record.steps],
            [(call.status, call.tool_calls, call.input_tokens) for call in record.model_calls],
        ]
        for record in records
    }


@pytest.mark.frameworks
def test_a_record_is_the_same_with_and_without_isolation(
    suite: Callable[..., Path], fleetgym: Run, tmp_path: Path
) -> None:
    matrix = suite(ALL, "3")
    local = played(fleetgym, matrix, tmp_path, "local")
    assert len(local) == 4
    assert local == played(fleetgym, matrix, tmp_path, "none")


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.frameworks
def test_a_record_is_the_same_in_a_container(
    suite: Callable[..., Path],
    fleetgym: Run,
    tmp_path: Path,
    container_image: Callable[[str], str],
) -> None:
    image = container_image("langgraph")
    matrix = suite("langgraph", "3-4")
    docker = played(fleetgym, matrix, tmp_path, "docker")
    assert docker == played(fleetgym, matrix, tmp_path, "local")
    (record, _) = scan(tmp_path / "docker").records
    assert record.manifest["isolation"]["image"] == image
    assert record.manifest["isolation"]["image_id"].startswith("sha256:")
