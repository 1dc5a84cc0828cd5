"""Tells fleetgym of this environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym.contracts.specs import EnvSpec
from fleetgym.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["register_environments"]


@hookimpl
def register_environments(register: Callable[[EnvSpec], None]) -> None:
    """Offer IncidentTriage-v1."""
    register(
        EnvSpec(
            id="fleetgym/IncidentTriage-v1",
            entry_point="fleetgym_env_incident_triage.env:IncidentTriageEnv",
            scenarios="fleetgym_env_incident_triage.scenarios:scenarios",
            policy="fleetgym_env_incident_triage.expert:TriageExpert",
            graders=("triage/strict",),
            summary="From an alert queue to a report of the one intrusion that is in it",
            adversaries="fleetgym_env_incident_triage.adversaries:ADVERSARIES",
        )
    )
