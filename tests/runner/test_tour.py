"""The published tour: what the experts do now, and no memory of what they did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fleetgym.registry import Registry
from fleetgym.runner.tour import PREAMBLE, default_scenarios, told

if TYPE_CHECKING:
    from fleetgym.contracts.scenario import Scenario

PUBLISHED = (Path(__file__).parents[2] / "docs" / "tour.md").read_text("utf-8")
OURS = [
    scenario
    for scenario in default_scenarios(Registry.discover())
    if scenario.environment.startswith("fleetgym/")
]


def test_the_tour_visits_every_environment_of_ours_once() -> None:
    assert PUBLISHED.startswith(PREAMBLE)
    assert PUBLISHED.count("\n## ") == len(OURS)


@pytest.mark.parametrize("scenario", OURS, ids=lambda scenario: scenario.id)
def test_an_episode_is_told_as_it_is_played(scenario: Scenario) -> None:
    assert told(Registry.discover(), scenario.id, sandbox="none") in PUBLISHED
