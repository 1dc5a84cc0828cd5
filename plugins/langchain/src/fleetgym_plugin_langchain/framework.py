"""LangChain as its own guide builds an agent: ``create_agent``."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.episode import Episode
    from fleetgym.contracts.tools import ToolSpec

__all__ = ["LangChain"]


class LangChain:
    """Runs ``langchain.agents.create_agent``."""

    name: ClassVar[str] = "langchain"
    topologies: ClassVar[tuple[str, ...]] = ("single",)
    defaults: ClassVar[Mapping[str, Any]] = {
        "max_retries": 2,
        "max_rounds": 60,
        "temperature": 0.0,
        "timeout_s": 60.0,
    }

    def warm(self) -> None:
        """Import what a run needs."""
        for module in ("langchain.agents.middleware", "langchain_openai"):
            importlib.import_module(module)

    def versions(self) -> Mapping[str, str]:
        """Return what is measured."""
        names = ("langchain", "langchain-openai", "langgraph", "openai")
        return {name: version(name) for name in names}

    def run(self, episode: Episode, topology: str, parameters: Mapping[str, Any]) -> str:
        """Let the agent act until the model answers without a tool call."""
        from langchain.agents import create_agent
        from langchain.agents.middleware import ModelCallLimitMiddleware
        from langchain_openai import ChatOpenAI

        del topology  # there is one
        endpoint = episode.model()
        model = ChatOpenAI(
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
        # Each round of tools is a call, and the answer is one more.
        limit = ModelCallLimitMiddleware(run_limit=parameters["max_rounds"] + 1)
        agent = create_agent(
            model,
            [_tool(episode, spec) for spec in episode.brief.tools],
            system_prompt=episode.brief.system,
            middleware=[limit],
        )
        task = {"messages": [{"role": "user", "content": episode.brief.task}]}
        return agent.invoke(task)["messages"][-1].text


def _tool(episode: Episode, spec: ToolSpec) -> Any:
    from langchain_core.tools import StructuredTool

    def call(**arguments: Any) -> str:
        return episode.call(spec.name, arguments).content

    return StructuredTool.from_function(
        call, name=spec.name, description=spec.description, args_schema=dict(spec.parameters)
    )
