"""Conditions that change what the agent is told or offered, the same for every seed.

Each needs something that only the scenario's author can give, and refuses scenarios without it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fleetgym.conditions.clean import Clean
from fleetgym.contracts.condition import Disturbance
from fleetgym.contracts.errors import SpecError

if TYPE_CHECKING:
    from fleetgym.contracts.episode import Brief
    from fleetgym.contracts.scenario import Scenario

__all__ = ["MINIMAL_TOOLS", "SEEDED_MEMORY", "VAGUE", "MinimalTools", "SeededMemory", "Vague"]


class Vague(Clean):
    """Tells the objective without its specifics."""

    name = "vague"
    family = "vague"

    def adapt(self, scenario: Scenario) -> Scenario:
        """Return the scenario with its vague prompt."""
        return replace(scenario, prompt=_given(self.name, scenario, "vague_prompt"))


class MinimalTools(Clean):
    """Offers only the tools that the task cannot do without: an ablation."""

    name = "minimal-tools"
    family = "ablation"

    def adapt(self, scenario: Scenario) -> Scenario:
        """Return the scenario with its minimal tools."""
        return replace(scenario, tools=_given(self.name, scenario, "minimal_tools"))


class SeededMemory(Clean):
    """Hands the agent notes of an earlier investigation."""

    name = "seeded-memory"
    family = "ablation"

    def adapt(self, scenario: Scenario) -> Scenario:
        """Return the scenario as it is, if it has such notes."""
        _given(self.name, scenario, "memory")
        return scenario

    def disturb(self, scenario: Scenario, seed: int) -> Disturbance:
        """Return what puts the notes below the task."""
        del seed
        return _Remembering(scenario.memory)


class _Remembering(Disturbance):
    def __init__(self, memory: str) -> None:
        self._memory = memory

    def brief(self, brief: Brief) -> Brief:
        notes = f"NOTES FROM EARLIER INVESTIGATIONS:\n{self._memory}"
        return replace(brief, task=f"{brief.task}\n\n{notes}")


VAGUE = Vague()
MINIMAL_TOOLS = MinimalTools()
SEEDED_MEMORY = SeededMemory()


def _given(condition: str, scenario: Scenario, field: str):
    value = getattr(scenario, field)
    if not value:
        raise SpecError(
            f"Condition {condition!r} does not fit {scenario.id}, which has no `{field}`. Give it "
            "one in the scenario, or leave the condition or the scenario out."
        )
    return value
