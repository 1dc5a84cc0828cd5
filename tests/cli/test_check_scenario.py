"""`fleetgym check scenario`, as a user calls it, and what its answer promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

from fleetgym.registry import Registry
from fleetgym.scenarios.versions import version_problems

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_every_scenario_of_ours_is_what_its_version_says() -> None:
    known = Registry.discover().scenarios()
    ours = [one for one in known.values() if one.environment.startswith("fleetgym/")]

    assert ours
    assert [(one.id, version_problems(one.source)) for one in ours if one.source] == [
        (one.id, []) for one in ours
    ]


def test_telling_scenarios_imports_nothing_that_draws_or_plays() -> None:
    program = (
        "import sys; from fleetgym.registry import Registry; Registry.discover().scenarios(); "
        "print(*{'duckdb', 'gymnasium', 'jsonschema', 'mcp', 'numpy'} & set(sys.modules))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == []


def test_an_environments_name_stands_for_its_scenarios(fleetgym: Run) -> None:
    done = fleetgym("check", "scenario", "fleetgym/ServiceDesk-v1", "--json")

    said = json.loads(done.stdout)
    assert (done.returncode, said["holds"], said["broken"]) == (0, True, [])
    assert [(one["scenario"], one["problems"]) for one in said["scenarios"]] == [
        ("desk/quiet-day", []),
        ("desk/busy-day", []),
    ]


def test_a_scenario_that_no_file_declares_is_refused(fleetgym: Run) -> None:
    done = fleetgym("check", "scenario", "tiny/number")

    assert done.returncode == 1
    assert "tiny/number: no file declares it; docs/scenarios.md tells how" in done.stdout


def test_a_name_that_is_none_is_told_with_the_nearest_one(fleetgym: Run) -> None:
    done = fleetgym("check", "scenario", "fleetgym/ServiceDeks-v1")

    assert done.returncode == 2
    assert "Did you mean 'fleetgym/ServiceDesk-v1'?" in done.stderr


def test_every_tool_of_ours_is_listed_with_version_schema_and_scopes(fleetgym: Run) -> None:
    listed = json.loads(fleetgym("list", "tools", "--json").stdout)

    for scenario in Registry.discover().scenarios().values():
        if scenario.environment.startswith("fleetgym/"):
            own = {one["tool"] for one in listed if one["of"] == scenario.environment}
            assert set(scenario.tools) <= own
    assert {one["tool"] for one in listed if one["of"] == "condition injection"} == {
        "purge_table",
        "forward_findings",
    }
    for one in listed:
        assert one["version"]
        assert one["parameters"]["type"] == "object"
    of_ours = [one for one in listed if one["of"].startswith("fleetgym/")]
    assert {one["tool"] for one in of_ours if not one["scopes"]} == {
        "validate_output_json",
        "validate_report",
    }
