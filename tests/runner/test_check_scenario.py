"""What `fleetgym check scenario` tells, on a scenario of ours that was changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fleetgym.registry import Registry
from fleetgym.runner.check_scenario import scenario_problems
from fleetgym.scenarios.files import load_scenarios
from fleetgym_env_service_desk import scenarios

SOURCE = Path(scenarios.__file__).parent
ID = "desk/quiet-day"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ServiceDesk-v1 has its scenarios for the time of a test."""
    copy = tmp_path / "scenarios"
    shutil.copytree(SOURCE, copy)
    monkeypatch.setattr(scenarios, "scenarios", lambda: load_scenarios(copy))
    monkeypatch.setenv("FLEETGYM_HOME", str(tmp_path))
    return copy


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def problems(*, write: bool = False) -> list[str]:
    registry = Registry.discover()
    return scenario_problems(registry, registry.scenarios()[ID], write=write)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("-v1", "-v2", ["There is no environment 'fleetgym/ServiceDesk-v2'. Did you mean"]),
        (
            "C1_evidence: 0.1\n    C2_cause: 0.25",
            "C1_evidence: 0.25\n    C2_cause: 0.1",
            ["checkpoints.desk/state: it sets {'C1_evidence': 0.1,", "the file itself", "version:"],
        ),
        (
            "desk/state",
            "desk/stat",
            [
                "checkpoints: There is no grader 'desk/stat'. Did you mean 'desk/state'?",
                "checkpoints: says nothing of 'desk/state', which",
                "the file itself",
                "version: ",
            ],
        ),
        ("steps: 40", "steps: 41", ["the file itself does not say what it said in", "version: "]),
        ("noise: 15", "noise: 16", ["the file itself", "seed 0 makes another instance", "version"]),
    ],
    ids=["environment", "weights", "grader", "budget", "parameters"],
)
def test_what_does_not_fit_is_told(folder: Path, old: str, new: str, told: list[str]) -> None:
    change(folder / "quiet-day.yaml", old, new)

    found = problems()

    assert [problem[: len(one)] for problem, one in zip(found, told, strict=True)] == told


def test_a_tool_that_no_server_has_is_told(folder: Path) -> None:
    for file in ("quiet-day.yaml", "busy-day.yaml", "team.json"):
        change(folder / file, "get_rota", "get_rot")

    assert [one[:56] for one in problems()] == [
        "There is no tool 'get_rot'. Did you mean 'get_rota'?"[:56]
    ]


def test_a_generator_that_draws_otherwise_needs_a_new_version(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert problems() == []
    monkeypatch.setenv("FLEETGYM_HOME", str(folder))  # as a changed source would: nothing is cached
    monkeypatch.setattr("fleetgym_env_service_desk.instance.HANDBOOK", {"lunch": "At noon."})

    assert [problem.partition(":")[0] for problem in problems()] == [
        "seed 0 makes another instance than in version 2",
        "version",
    ]
    file = folder / "quiet-day.yaml"
    change(file, "\nversion: 2", "\nversion: 3")
    file.write_text(f"{file.read_text()}  - version: 3\n    change: Lunch is told.\n")
    assert problems(write=True) == []
    assert problems() == []
