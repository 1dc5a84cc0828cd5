from __future__ import annotations

from collections.abc import Callable

from fleetgym.contracts.specs import EnvSpec
from fleetgym.hookspecs import hookimpl


@hookimpl
def register_environments(register: Callable[[EnvSpec], None]) -> None:
    register(
        EnvSpec(
            id="test/Hostile-v1",
            entry_point="fleetgym_env_hostile.env:HostileEnv",
            scenarios="fleetgym_env_hostile.scenarios:scenarios",
            policy="fleetgym_env_cti_realm.expert:CtiExpert",
            graders=("cti/strict",),
            summary="A real task among hostile agents",
        )
    )
