"""Tells fleetgym of this environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym.contracts.specs import EnvSpec, GraderSpec
from fleetgym.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["register_environments", "register_graders"]


@hookimpl
def register_environments(register: Callable[[EnvSpec], None]) -> None:
    """Offer ServiceDesk-v1."""
    register(
        EnvSpec(
            id="fleetgym/ServiceDesk-v1",
            entry_point="fleetgym_env_service_desk.env:ServiceDeskEnv",
            scenarios="fleetgym_env_service_desk.scenarios:scenarios",
            policy="fleetgym_env_service_desk.expert:DeskExpert",
            graders=("desk/state",),
            summary="Find an outage among a day's tickets, and its cause, over an MCP server",
            adversaries="fleetgym_env_service_desk.adversaries:ADVERSARIES",
        )
    )


@hookimpl
def register_graders(register: Callable[[GraderSpec], None]) -> None:
    """Offer the grader that looks at the desk."""
    register(
        GraderSpec(
            name="desk/state",
            entry_point="fleetgym_env_service_desk.grader:DeskGrader",
            summary="What the desk holds when the agent hands in, not what the agent says",
        )
    )
