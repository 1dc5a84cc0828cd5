"""What every topology is made of: the model of an agent, and the episode's tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.episode import Episode
    from fleetgym.contracts.tools import ToolSpec

__all__ = ["chat_model", "tool"]


def chat_model(episode: Episode, agent: str, parameters: Mapping[str, Any]) -> Any:
    """Return the model of one agent."""
    from langchain_openai import ChatOpenAI

    endpoint = episode.model(agent)
    return ChatOpenAI(
        model=endpoint.model,
        base_url=endpoint.base_url,
        api_key=endpoint.api_key,
        default_headers=dict(endpoint.headers),
        max_retries=parameters["max_retries"],
        seed=episode.seed,
        stream_usage=True,
        temperature=parameters["temperature"],
        timeout=parameters["timeout_s"],
        use_responses_api=False,  # the gateway speaks chat completions
    )


def tool(episode: Episode, spec: ToolSpec, agent: str) -> Any:
    """Return a tool of the episode, as one agent calls it."""
    from langchain_core.tools import StructuredTool

    def call(**arguments: Any) -> str:
        return episode.call(spec.name, arguments, agent=agent).content

    return StructuredTool.from_function(
        call, name=spec.name, description=spec.description, args_schema=dict(spec.parameters)
    )
