"""Teams as LangGraph's own packages build them: a supervisor, and a swarm with hand-offs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetgym.contracts.episode import passed
from fleetgym_plugin_langgraph.parts import chat_model, tool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.episode import Episode
    from fleetgym.contracts.team import Member, Team

__all__ = ["run_team"]


def run_team(episode: Episode, topology: str, parameters: Mapping[str, Any]) -> str:
    """Let the team work until one of its agents answers without passing on."""
    team = episode.brief.team
    assert team is not None, "runs of a team are planned for scenarios that have one"
    build = _supervisor if topology == "supervisor" else _swarm
    graph = build(episode, team, parameters).compile()
    task = {"messages": [{"role": "user", "content": episode.brief.task}]}
    config = {"recursion_limit": parameters["max_steps"]}
    return _watched(episode, graph.stream(task, config, stream_mode="updates"))


def _supervisor(episode: Episode, team: Team, parameters: Mapping[str, Any]) -> Any:
    from langgraph_supervisor import create_supervisor

    return create_supervisor(
        [_agent(episode, one, parameters) for one in team.members],
        model=chat_model(episode, team.coordinator.name, parameters),
        prompt=team.coordinator.system,
        supervisor_name=team.coordinator.name,
    )


def _swarm(episode: Episode, team: Team, parameters: Mapping[str, Any]) -> Any:
    from langgraph_swarm import create_handoff_tool, create_swarm

    agents = [
        _agent(
            episode,
            one,
            parameters,
            [
                create_handoff_tool(agent_name=other.name, description=other.description)
                for other in team.members
                if other is not one
            ],
        )
        for one in team.members
    ]
    return create_swarm(agents, default_active_agent=team.members[0].name)


def _agent(
    episode: Episode,
    member: Member,
    parameters: Mapping[str, Any],
    handoffs: Sequence[Any] = (),
) -> Any:
    from langchain.agents import create_agent
    from langchain.agents.middleware import ModelCallLimitMiddleware

    return create_agent(
        chat_model(episode, member.name, parameters),
        [*(tool(episode, spec, member.name) for spec in episode.brief.tools_of(member)), *handoffs],
        system_prompt=member.system,
        # Each round of tools is a call, and the answer is one more.
        middleware=[ModelCallLimitMiddleware(run_limit=parameters["max_rounds"] + 1)],
        name=member.name,
    )


def _watched(episode: Episode, updates: Any) -> str:
    """Tell who passes on to whom, and return the last words."""
    before, words = "", ""
    for update in updates:
        for agent, state in update.items():
            if before and agent != before:
                episode.emit(passed("handoff", before, agent, words))
            before, words = agent, _last_words(state)
    return words


def _last_words(state: Any) -> str:
    """Return what an agent said last; of a call, its arguments."""
    said = [m for m in (state or {}).get("messages", ()) if m.type == "ai"]
    if not said:
        return ""
    calls = said[-1].tool_calls
    return said[-1].text or (str(calls[-1]["args"]) if calls else "")
