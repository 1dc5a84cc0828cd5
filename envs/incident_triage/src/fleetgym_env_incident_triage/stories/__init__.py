"""How the scenarios' intrusions are drawn: one module a scenario, named after it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from fleetgym_env_incident_triage.acts.rules import RULES
from fleetgym_env_incident_triage.queue import Plan

if TYPE_CHECKING:
    from fleetgym.contracts.scenario import Scenario

__all__ = ["plan_of"]


def plan_of(scenario: Scenario) -> Plan:
    """Return the plan that a scenario's parameters and its story make."""
    name = scenario.id.rpartition("/")[2].replace("-", "_")
    declared = scenario.parameters
    return Plan(
        intrude=import_module(f"{__name__}.{name}").intrude,
        rules=tuple(name for name in RULES if name.startswith(tuple(declared["rules"]))),
        alerts=declared["alerts"],
        true=declared["true_alerts"],
    )
