"""Teams as AgentChat builds them: a selector group chat, a swarm, a round robin."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.episode import passed
from fleetgym_plugin_autogen.parts import model_client, tool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.episode import Episode
    from fleetgym.contracts.team import Member, Team

__all__ = ["run_team"]


async def run_team(episode: Episode, topology: str, parameters: Mapping[str, Any]) -> str:
    """Let the team talk until the answer is handed in, or for as many messages as are allowed."""
    from autogen_agentchat.conditions import FunctionalTermination, MaxMessageTermination
    from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat, Swarm

    team = episode.brief.team
    assert team is not None, "runs of a team are planned for scenarios that have one"
    async with AsyncExitStack() as clients:

        def client(agent: str) -> Any:
            made = model_client(episode, agent, parameters)
            clients.push_async_callback(made.close)
            return made

        swarm = topology == "swarm"
        members = [
            _agent(episode, team, one, client(one.name), parameters, swarm=swarm)
            for one in team.members
        ]
        ends = FunctionalTermination(lambda _: episode.submitted)
        ends |= MaxMessageTermination(parameters["max_messages"])
        if topology == "selector":
            chooser = client(team.coordinator.name)
            chat = SelectorGroupChat(members, chooser, termination_condition=ends)
        elif swarm:
            chat = Swarm(members, termination_condition=ends)
        else:
            chat = RoundRobinGroupChat(members, termination_condition=ends)
        return await _watched(episode, chat.run_stream(task=episode.brief.task))


def _agent(
    episode: Episode,
    team: Team,
    member: Member,
    client: Any,
    parameters: Mapping[str, Any],
    *,
    swarm: bool,
) -> Any:
    from autogen_agentchat.agents import AssistantAgent

    return AssistantAgent(
        member.name,
        client,
        tools=[tool(episode, spec, member.name) for spec in episode.brief.tools_of(member)],
        handoffs=[one.name for one in team.members if one is not member] if swarm else None,
        description=member.description,
        system_message=member.system,
        # By default it stops after one.
        max_tool_iterations=parameters["max_rounds"],
    )


async def _watched(episode: Episode, stream: Any) -> str:
    """Tell who says what to whom, and return the last words."""
    from autogen_agentchat.messages import BaseChatMessage, HandoffMessage

    words = ""
    async for message in stream:
        if isinstance(message, BaseChatMessage) and message.source != "user":
            words = message.to_text()
            if isinstance(message, HandoffMessage):
                episode.emit(passed("handoff", message.source, message.target, words))
            else:
                episode.emit(passed("message", message.source, "all", words))
    return words
