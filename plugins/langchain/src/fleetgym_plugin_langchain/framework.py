"""LangChain as its own guide builds agents: ``create_agent``, and agents as tools of another."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

from fleetgym.contracts.episode import passed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.episode import Episode
    from fleetgym.contracts.team import Member
    from fleetgym.contracts.tools import ToolSpec

__all__ = ["LangChain"]


class LangChain:
    """Runs ``langchain.agents.create_agent``."""

    name: ClassVar[str] = "langchain"
    topologies: ClassVar[tuple[str, ...]] = ("single", "subagents")
    defaults: ClassVar[Mapping[str, Any]] = {
        "max_retries": 2,
        # Of tools, for each agent and request to it.
        "max_rounds": 60,
        "temperature": 0.0,
        "timeout_s": 60.0,
        # Of a tool that raises; off, as it would hide what is measured.
        "tool_retries": 0,
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
        brief = episode.brief
        if topology == "subagents":
            assert brief.team is not None, "runs of a team are planned for scenarios that have one"
            lead = brief.team.coordinator
            tools = [_subagent(episode, one, parameters) for one in brief.team.members]
            agent = _agent(episode, lead.name, lead.system, tools, parameters)
        else:
            tools = [_tool(episode, spec, "main") for spec in brief.tools]
            agent = _agent(episode, "main", brief.system, tools, parameters)
        return _answer(agent, brief.task)


def _agent(
    episode: Episode,
    name: str,
    system: str,
    tools: Sequence[Any],
    parameters: Mapping[str, Any],
) -> Any:
    from langchain.agents import create_agent
    from langchain.agents.middleware import ModelCallLimitMiddleware, ToolRetryMiddleware
    from langchain_openai import ChatOpenAI

    endpoint = episode.model(name)
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
    middleware: list[Any] = [ModelCallLimitMiddleware(run_limit=parameters["max_rounds"] + 1)]
    if parameters["tool_retries"]:
        middleware.append(ToolRetryMiddleware(max_retries=parameters["tool_retries"]))
    # A name stands in each of its messages; one agent alone needs none.
    called = None if name == "main" else name
    return create_agent(model, tools, system_prompt=system, middleware=middleware, name=called)


def _answer(agent: Any, request: str) -> str:
    task = {"messages": [{"role": "user", "content": request}]}
    return agent.invoke(task)["messages"][-1].text


def _subagent(episode: Episode, member: Member, parameters: Mapping[str, Any]) -> Any:
    """Return an agent as a tool of the one that coordinates."""
    from langchain_core.tools import StructuredTool

    team = episode.brief.team
    assert team is not None, "a member has a team"
    tools = [_tool(episode, spec, member.name) for spec in episode.brief.tools_of(member)]
    agent = _agent(episode, member.name, member.system, tools, parameters)

    def ask(request: str) -> str:
        episode.emit(passed("handoff", team.coordinator.name, member.name, request))
        answer = _answer(agent, request)
        episode.emit(passed("handoff", member.name, team.coordinator.name, answer))
        return answer

    return StructuredTool.from_function(ask, name=member.name, description=member.description)


def _tool(episode: Episode, spec: ToolSpec, agent: str) -> Any:
    from langchain_core.tools import StructuredTool

    def call(**arguments: Any) -> str:
        return episode.call(spec.name, arguments, agent=agent).content

    return StructuredTool.from_function(
        call, name=spec.name, description=spec.description, args_schema=dict(spec.parameters)
    )
