"""LangGraph as its own guide builds an agent: a graph of a model node and a tool node."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.episode import Episode
    from fleetgym.contracts.tools import ToolSpec

__all__ = ["LangGraph"]


class LangGraph:
    """Runs a ``StateGraph`` with ``ToolNode`` and ``tools_condition``."""

    name: ClassVar[str] = "langgraph"
    topologies: ClassVar[tuple[str, ...]] = ("single",)
    defaults: ClassVar[Mapping[str, Any]] = {
        "max_retries": 2,
        "max_rounds": 60,
        "temperature": 0.0,
        "timeout_s": 60.0,
    }

    def warm(self) -> None:
        """Import what a run needs."""
        for module in ("langchain_openai", "langgraph.graph", "langgraph.prebuilt"):
            importlib.import_module(module)

    def versions(self) -> Mapping[str, str]:
        """Return what is measured."""
        names = ("langgraph", "langgraph-prebuilt", "langchain-openai", "openai")
        return {name: version(name) for name in names}

    def run(self, episode: Episode, topology: str, parameters: Mapping[str, Any]) -> str:
        """Let the graph run until the model answers without a tool call."""
        from langchain_core.messages import HumanMessage, SystemMessage
        from langchain_openai import ChatOpenAI
        from langgraph.graph import START, MessagesState, StateGraph
        from langgraph.prebuilt import ToolNode, tools_condition

        del topology  # there is one
        endpoint = episode.model()
        tools = [_tool(episode, spec) for spec in episode.brief.tools]
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
        ).bind_tools(tools)
        system = SystemMessage(episode.brief.system)

        def call_model(state: MessagesState) -> dict[str, Any]:
            return {"messages": [model.invoke([system, *state["messages"]])]}

        graph = StateGraph(MessagesState)
        graph.add_node("model", call_model)
        graph.add_node("tools", ToolNode(tools))
        graph.add_edge(START, "model")
        graph.add_conditional_edges("model", tools_condition)
        graph.add_edge("tools", "model")
        # n rounds of tools and the answer take 2n + 2 steps.
        limit = 2 * parameters["max_rounds"] + 2
        task = {"messages": [HumanMessage(episode.brief.task)]}
        state = graph.compile().invoke(task, {"recursion_limit": limit})
        return state["messages"][-1].text


def _tool(episode: Episode, spec: ToolSpec) -> Any:
    from langchain_core.tools import StructuredTool

    def call(**arguments: Any) -> str:
        return episode.call(spec.name, arguments).content

    return StructuredTool.from_function(
        call, name=spec.name, description=spec.description, args_schema=dict(spec.parameters)
    )
