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
    """Offer RolloutPlanning-v1."""
    register(
        EnvSpec(
            id="fleetgym/RolloutPlanning-v1",
            entry_point="fleetgym_env_rollout_planning.env:RolloutPlanningEnv",
            scenarios="fleetgym_env_rollout_planning.scenarios:scenarios",
            policy="fleetgym_env_rollout_planning.expert:ReleaseExpert",
            graders=("rollout/strict",),
            summary="A release is waiting: hand in manifests and a staged plan that keep the rules",
            adversaries="fleetgym_env_rollout_planning.adversaries:ADVERSARIES",
        )
    )
