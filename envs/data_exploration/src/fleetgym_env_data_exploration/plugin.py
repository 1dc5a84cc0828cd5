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
    """Offer DataExploration-v1."""
    register(
        EnvSpec(
            id="fleetgym/DataExploration-v1",
            entry_point="fleetgym_env_data_exploration.env:DataExplorationEnv",
            scenarios="fleetgym_env_data_exploration.scenarios:scenarios",
            policy="fleetgym_env_data_exploration.expert:DataExpert",
            graders=("exploration/strict",),
            summary="Tables that nobody described: say what they hold, and answer a question",
            adversaries="fleetgym_env_data_exploration.adversaries:ADVERSARIES",
        )
    )
