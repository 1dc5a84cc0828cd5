"""AutoGen as its own guide builds an agent: an ``AssistantAgent`` of AgentChat."""

from __future__ import annotations

import asyncio
import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

from fleetgym.worker import argument_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.episode import Episode
    from fleetgym.contracts.tools import ToolSpec

__all__ = ["AutoGen"]


class AutoGen:
    """Runs an ``AssistantAgent``."""

    name: ClassVar[str] = "autogen"
    topologies: ClassVar[tuple[str, ...]] = ("single",)
    defaults: ClassVar[Mapping[str, Any]] = {
        "max_retries": 2,
        "max_rounds": 60,
        "temperature": 0.0,
        "timeout_s": 60.0,
    }

    def warm(self) -> None:
        """Import what a run needs."""
        for module in ("autogen_agentchat.agents", "autogen_ext.models.openai"):
            importlib.import_module(module)

    def versions(self) -> Mapping[str, str]:
        """Return what is measured."""
        names = ("autogen-agentchat", "autogen-core", "autogen-ext", "openai")
        return {name: version(name) for name in names}

    def run(self, episode: Episode, topology: str, parameters: Mapping[str, Any]) -> str:
        """Let the agent act until the model answers without a tool call."""
        del topology  # there is one
        return asyncio.run(_run(episode, parameters))


async def _run(episode: Episode, parameters: Mapping[str, Any]) -> str:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    endpoint = episode.model()
    client = OpenAIChatCompletionClient(
        model=endpoint.model,
        base_url=endpoint.base_url,
        api_key=endpoint.api_key,
        default_headers=dict(endpoint.headers),
        max_retries=parameters["max_retries"],
        # What AutoGen cannot know of a model whose name it has not heard of.
        model_info={
            "family": "unknown",
            "function_calling": True,
            "json_output": True,
            "multiple_system_messages": True,
            "structured_output": True,
            "vision": False,
        },
        seed=episode.seed,
        temperature=parameters["temperature"],
        timeout=parameters["timeout_s"],
    )
    agent = AssistantAgent(
        "main",
        client,
        tools=[_tool(episode, spec) for spec in episode.brief.tools],
        system_message=episode.brief.system,
        # By default it stops after one.
        max_tool_iterations=parameters["max_rounds"],
    )
    result = await agent.run(task=episode.brief.task)
    await client.close()
    return result.messages[-1].to_text()


def _tool(episode: Episode, spec: ToolSpec) -> Any:
    from autogen_core.tools import BaseTool

    arguments_type: Any = argument_model(spec)

    class EpisodeTool(BaseTool[arguments_type, str]):
        async def run(self, args: Any, cancellation_token: Any) -> str:
            del cancellation_token  # a call that was sent is made
            arguments = args.model_dump(exclude_none=True, exclude_unset=True)
            result = await asyncio.to_thread(episode.call, spec.name, arguments)
            return result.content

    return EpisodeTool(arguments_type, str, spec.name, spec.description)
