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
    """Offer CtiRealm-v1."""
    register(
        EnvSpec(
            id="fleetgym/CtiRealm-v1",
            entry_point="fleetgym_env_cti_realm.env:CtiRealmEnv",
            scenarios="fleetgym_env_cti_realm.scenarios:scenarios",
            policy="fleetgym_env_cti_realm.expert:CtiExpert",
            graders=("cti/strict", "cti/compat"),
            summary="From a threat report to a detection that finds the intrusion and nothing else",
            dataset="fleetgym_env_cti_realm.official:scenarios",
            adversaries="fleetgym_env_cti_realm.adversaries:ADVERSARIES",
        )
    )
