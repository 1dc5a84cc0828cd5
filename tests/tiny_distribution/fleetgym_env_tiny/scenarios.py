from __future__ import annotations

from fleetgym.contracts.scenario import Budget, Scenario
from fleetgym.contracts.tools import SUBMIT

SCENARIO = Scenario(
    id="tiny/number",
    version=1,
    environment="test/Tiny-v1",
    title="Find the number",
    platform="none",
    difficulty="easy",
    system="You find numbers.",
    prompt="Find it.",
    tools=("look", SUBMIT),
    artifact_schema={"type": "object", "properties": {"number": {"type": "integer"}}},
    budget=Budget(steps=4),
)


def scenarios() -> tuple[Scenario, ...]:
    return (SCENARIO,)
