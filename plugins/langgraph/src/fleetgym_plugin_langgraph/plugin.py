"""What this plugin registers; imports nothing of the framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym.contracts.specs import FrameworkSpec
from fleetgym.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["register_frameworks"]


@hookimpl
def register_frameworks(register: Callable[[FrameworkSpec], None]) -> None:
    """Offer LangGraph."""
    register(
        FrameworkSpec(
            name="langgraph",
            entry_point="fleetgym_plugin_langgraph.framework:LangGraph",
            distributions=(
                "langgraph",
                "langgraph-prebuilt",
                "langgraph-supervisor",
                "langgraph-swarm",
                "langchain-openai",
                "openai",
            ),
            topologies=("single", "supervisor", "swarm"),
            summary="a StateGraph of a model node and a ToolNode",
            environment={"LANGCHAIN_TRACING_V2": "false", "LANGSMITH_TRACING": "false"},
        )
    )
