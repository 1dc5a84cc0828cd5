from __future__ import annotations

from collections.abc import Callable

from fleetgym.contracts.specs import EnvSpec, GraderSpec
from fleetgym.hookspecs import hookimpl


@hookimpl
def register_environments(register: Callable[[EnvSpec], None]) -> None:
    register(
        EnvSpec(
            id="test/Tiny-v1",
            entry_point="fleetgym_env_tiny.env:TinyEnv",
            scenarios="fleetgym_env_tiny.scenarios:scenarios",
            policy="fleetgym_env_tiny.expert:TinyExpert",
            graders=("tiny/exact",),
            summary="Find a number",
        )
    )


@hookimpl
def register_graders(register: Callable[[GraderSpec], None]) -> None:
    register(
        GraderSpec(
            name="tiny/exact", entry_point="fleetgym_env_tiny.env:TinyGrader", summary="Exact"
        )
    )
