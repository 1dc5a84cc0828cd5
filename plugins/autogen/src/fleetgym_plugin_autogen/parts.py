"""What every topology is made of: the model of an agent, and the episode's tools."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fleetgym.worker import argument_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.episode import Episode
    from fleetgym.contracts.tools import ToolSpec

__all__ = ["model_client", "tool"]


def model_client(episode: Episode, agent: str, parameters: Mapping[str, Any]) -> Any:
    """Return the model of one agent; close it."""
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    endpoint = episode.model(agent)
    return OpenAIChatCompletionClient(
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


def tool(episode: Episode, spec: ToolSpec, agent: str) -> Any:
    """Return a tool of the episode, as one agent calls it."""
    from autogen_core.tools import BaseTool

    arguments_type: Any = argument_model(spec)

    class EpisodeTool(BaseTool[arguments_type, str]):
        async def run(self, args: Any, cancellation_token: Any) -> str:
            del cancellation_token  # a call that was sent is made
            arguments = args.model_dump(exclude_none=True, exclude_unset=True)
            result = await asyncio.to_thread(episode.call, spec.name, arguments, agent=agent)
            return result.content

    return EpisodeTool(arguments_type, str, spec.name, spec.description)
