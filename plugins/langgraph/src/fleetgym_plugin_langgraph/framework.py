"""LangGraph as its own guide builds an agent: a graph of a model node and a tool node."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

from fleetgym_plugin_langgraph.parts import chat_model, tool
from fleetgym_plugin_langgraph.teams import run_team

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.episode import Episode

__all__ = ["LangGraph"]


class LangGraph:
    """Runs a ``StateGraph`` with ``ToolNode`` and ``tools_condition``, or a team."""

    name: ClassVar[str] = "langgraph"
    topologies: ClassVar[tuple[str, ...]] = ("single", "supervisor", "swarm")
    defaults: ClassVar[Mapping[str, Any]] = {
        # Of one agent alone: whether the model is told what a tool raised, too. ToolNode's own
        # default tells it of wrong arguments only.
        "handle_tool_errors": False,
        "max_retries": 2,
        # Of tools, for each agent and turn.
        "max_rounds": 60,
        # Supersteps of a team's graph and of each agent's in it: LangGraph's recursion limit.
        "max_steps": 400,
        "temperature": 0.0,
        "timeout_s": 60.0,
    }

    def warm(self) -> None:
        """Import what a run needs."""
        for module in (
            "langchain.agents.middleware",
            "langchain_openai",
            "langgraph.graph",
            "langgraph.prebuilt",
            "langgraph_supervisor",
            "langgraph_swarm",
        ):
            importlib.import_module(module)

    def versions(self) -> Mapping[str, str]:
        """Return what is measured."""
        names = (
            "langgraph",
            "langgraph-prebuilt",
            "langgraph-supervisor",
            "langgraph-swarm",
            "langchain-openai",
            "openai",
        )
        return {name: version(name) for name in names}

    def run(self, episode: Episode, topology: str, parameters: Mapping[str, Any]) -> str:
        """Let the graph run until the model answers without a tool call."""
        if topology != "single":
            return run_team(episode, topology, parameters)
        return _run_single(episode, parameters)


def _run_single(episode: Episode, parameters: Mapping[str, Any]) -> str:
    from langchain_core.messages import HumanMessage, SystemMessage
    from langgraph.graph import START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode, tools_condition

    tools = [tool(episode, spec, "main") for spec in episode.brief.tools]
    model = chat_model(episode, "main", parameters).bind_tools(tools)
    system = SystemMessage(episode.brief.system)

    def call_model(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke([system, *state["messages"]])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", call_model)
    handling = {"handle_tool_errors": True} if parameters["handle_tool_errors"] else {}
    graph.add_node("tools", ToolNode(tools, **handling))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    # n rounds of tools and the answer take 2n + 2 steps.
    limit = 2 * parameters["max_rounds"] + 2
    task = {"messages": [HumanMessage(episode.brief.task)]}
    state = graph.compile().invoke(task, {"recursion_limit": limit})
    return state["messages"][-1].text
