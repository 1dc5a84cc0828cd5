"""The published table: written from checks, and true of what the tree holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from fleetgym.registry import Registry
from fleetgym.runner.check import FALL_AT_LEAST, Check, check_environment
from fleetgym.runner.validity import outdated, section, with_section

PUBLISHED = Path(__file__).parents[2] / "docs" / "validity.md"
ROUNDED = 5e-4
DESK = "fleetgym/ServiceDesk-v1"
OURS = (
    "fleetgym/CtiRealm-v1",
    "fleetgym/DataExploration-v1",
    "fleetgym/DataQuality-v1",
    "fleetgym/IncidentTriage-v1",
    "fleetgym/K8sTroubleshooting-v1",
    "fleetgym/RolloutPlanning-v1",
    DESK,
)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.discover()


def rows(text: str) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Yield each line of the tables: its scenario, and its figures by the head of their column."""
    head: list[str] = []
    for line in text.splitlines():
        first, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if first == "scenario":
            head = cells
        elif "@" in first and cells:
            yield first.partition("@")[0], dict(zip(head, map(float, cells), strict=True))


def kept(head: str, value: float) -> bool:
    _, least, bound = re.split(r"<br>(at least|below) ", head)
    return value >= float(bound) if least == "at least" else value < float(bound)


def test_the_published_table_is_of_the_versions_in_the_tree(registry: Registry) -> None:
    text = PUBLISHED.read_text("utf-8")
    assert [name for name in OURS if f"## {name}\n" not in text] == []
    assert outdated(registry, text) == []


def test_the_published_figures_keep_to_their_bounds() -> None:
    wrong: list[str] = []
    for scenario, line in rows(PUBLISHED.read_text("utf-8")):
        if "skill: expert" in line:
            means = [*line.values()]
            falls = means[0] - means[-1] >= FALL_AT_LEAST
            wrong += [scenario] * (not falls or max(means) > means[0] or min(means) < means[-1])
        else:
            wrong += [f"{scenario}: {head}" for head, v in line.items() if not kept(head, v)]
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "scenario"),
    [
        (OURS[0], "cti/linux-cron-persistence"),
        (OURS[1], "triage/aks-takeover"),
        (DESK, "desk/quiet-day"),
    ],
)
def test_a_sample_played_again_is_no_worse_than_published(
    registry: Registry, environment: str, scenario: str
) -> None:
    worst = {
        head.partition("<br>")[0]: value
        for name, line in rows(PUBLISHED.read_text("utf-8"))
        for head, value in line.items()
        if name == scenario and "<br>" in head
    }
    checks = check_environment(
        registry, environment, seeds=[0], scenarios=[scenario], sandbox="none", jobs=1
    )
    played = {c.name: c.value for c in checks if c.name in worst and c.value is not None}
    assert played.keys() == worst.keys()
    assert played["expert"] >= worst["expert"] - ROUNDED
    others = worst.keys() - {"expert"}
    assert [name for name in others if played[name] > worst[name] + ROUNDED] == []


def test_a_grader_that_pays_for_looking_is_caught(registry: Registry) -> None:
    checks = list(check_environment(registry, "test/Tiny-v1", seeds=[1], sandbox="none", jobs=1))
    gamed = {check.name: check.value for check in checks if not check.holds}
    assert gamed == {"random": 0.5, "every-tool": 0.5, "memorized-calls": 0.5}


@pytest.mark.exhaustive
@pytest.mark.timeout(3 * 3600)  # thousands of episodes
@pytest.mark.parametrize("environment", OURS)
def test_every_environment_keeps_its_promises_on_twenty_seeds(
    registry: Registry, environment: str
) -> None:
    checks = check_environment(registry, environment, seeds=range(20), sandbox="none", jobs=1)
    assert [check for check in checks if not check.holds] == []


def test_a_section_shows_the_worst_of_the_seeds_and_takes_the_place_of_its_last(
    registry: Registry,
) -> None:
    def part(expert: float, no_op: float) -> str:
        checks = [
            Check(name=name, scenario="desk/quiet-day", holds=True, seed=seed, value=value)
            for seed in (0, 1)
            for name, value in (("expert", 1.0 if seed else expert), ("no-op", no_op * seed))
        ]
        return section(registry, DESK, checks, seeds="0-1", sandbox="none")

    first = with_section("", DESK, part(0.995, 0.01))
    other = with_section(first, "other/Env-v1", "## other/Env-v1\n\nAnother's.")
    again = with_section(other, DESK, part(1.0, 0.04))
    name = f"desk/quiet-day@{registry.scenarios()['desk/quiet-day'].version}"
    assert f"| {name} | 0.995 | 0.010 | none |" in first
    assert f"| {name} | 1.000 | 0.040 | none |" in again
    assert (again.count("## fleetgym/"), again.count("Another's.")) == (1, 1)
    assert again.startswith("# How far the graders can be trusted\n")


def test_a_scenario_that_is_not_in_the_file_is_named(registry: Registry) -> None:
    checks = [Check(name="expert", scenario="desk/quiet-day", holds=True, seed=0, value=1.0)]
    text = with_section("", DESK, section(registry, DESK, checks, seeds="0", sandbox="none"))
    version = registry.scenarios()["desk/busy-day"].version
    assert outdated(registry, text) == [f"{DESK}: | desk/busy-day@{version} |"]
