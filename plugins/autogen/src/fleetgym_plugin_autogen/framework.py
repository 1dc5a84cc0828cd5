"""AutoGen as its own guide builds an agent: an ``AssistantAgent`` of AgentChat, or a team."""

from __future__ import annotations

import asyncio
import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

from fleetgym_plugin_autogen.parts import model_client, tool
from fleetgym_plugin_autogen.teams import run_team

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.episode import Episode

__all__ = ["AutoGen"]


class AutoGen:
    """Runs an ``AssistantAgent``, or a team of them."""

    name: ClassVar[str] = "autogen"
    topologies: ClassVar[tuple[str, ...]] = ("single", "selector", "swarm", "round_robin")
    defaults: ClassVar[Mapping[str, Any]] = {
        # Of a team's conversation.
        "max_messages": 60,
        "max_retries": 2,
        # Of tools, for each agent and turn.
        "max_rounds": 60,
        "temperature": 0.0,
        "timeout_s": 60.0,
    }

    def warm(self) -> None:
        """Import what a run needs."""
        for module in (
            "autogen_agentchat.agents",
            "autogen_agentchat.conditions",
            "autogen_agentchat.teams",
            "autogen_ext.models.openai",
        ):
            importlib.import_module(module)

    def versions(self) -> Mapping[str, str]:
        """Return what is measured."""
        names = ("autogen-agentchat", "autogen-core", "autogen-ext", "openai")
        return {name: version(name) for name in names}

    def run(self, episode: Episode, topology: str, parameters: Mapping[str, Any]) -> str:
        """Let the agent act until the model answers without a tool call."""
        if topology != "single":
            return asyncio.run(run_team(episode, topology, parameters))
        return asyncio.run(_run_single(episode, parameters))


async def _run_single(episode: Episode, parameters: Mapping[str, Any]) -> str:
    from autogen_agentchat.agents import AssistantAgent

    client = model_client(episode, "main", parameters)
    agent = AssistantAgent(
        "main",
        client,
        tools=[tool(episode, spec, "main") for spec in episode.brief.tools],
        system_message=episode.brief.system,
        # By default it stops after one.
        max_tool_iterations=parameters["max_rounds"],
    )
    result = await agent.run(task=episode.brief.task)
    await client.close()
    return result.messages[-1].to_text()
