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
    """Offer DataQuality-v1."""
    register(
        EnvSpec(
            id="fleetgym/DataQuality-v1",
            entry_point="fleetgym_env_data_quality.env:DataQualityEnv",
            scenarios="fleetgym_env_data_quality.scenarios:scenarios",
            policy="fleetgym_env_data_quality.expert:QualityExpert",
            graders=("quality/strict",),
            summary="Something is wrong with the data: find it, watch it, write down what to do",
            adversaries="fleetgym_env_data_quality.adversaries:ADVERSARIES",
        )
    )
