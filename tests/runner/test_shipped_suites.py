"""The suites that come with the project: each can be planned, and the largest is what it says."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
SUITES = Path(__file__).parents[2] / "suites"
pytestmark = pytest.mark.frameworks


def planned(fleetgym: Run, name: str) -> dict[str, Any]:
    done = fleetgym("plan", SUITES / f"{name}.yaml", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", sorted(path.stem for path in SUITES.glob("*.yaml")))
def test_every_suite_can_be_planned(fleetgym: Run, name: str) -> None:
    plan = planned(fleetgym, name)
    assert plan["suite"] == name
    assert plan["runs"] > 0


def test_the_benchmark_is_two_thousand_runs_all_of_them_paired(fleetgym: Run) -> None:
    plan = planned(fleetgym, "agentops-2000")
    assert (plan["runs"], plan["reference_runs"]) == (2000, 0)
    assert set(plan["frameworks"]) == {"autogen", "crewai", "langchain", "langgraph"}
    assert (len(plan["scenarios"]), len(plan["seeds"])) == (20, 25)
    assert {(pair["paired"], pair["alone"]) for pair in plan["pairs"]} == {(500, 0)}
    families = Counter(scenario.split("/")[0] for scenario in plan["scenarios"])
    assert families == {"cti": 6, "triage": 3, "k8s": 4, "rollout": 3, "explore": 2, "quality": 2}
