"""What this plugin registers; imports nothing of the framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym.contracts.specs import FrameworkSpec
from fleetgym.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["register_frameworks"]


@hookimpl
def register_frameworks(register: Callable[[FrameworkSpec], None]) -> None:
    """Offer AutoGen."""
    register(
        FrameworkSpec(
            name="autogen",
            entry_point="fleetgym_plugin_autogen.framework:AutoGen",
            distributions=("autogen-agentchat", "autogen-core", "autogen-ext", "openai"),
            topologies=("single", "selector", "swarm", "round_robin"),
            summary="an AssistantAgent of AgentChat, which runs its own tool loop",
        )
    )
