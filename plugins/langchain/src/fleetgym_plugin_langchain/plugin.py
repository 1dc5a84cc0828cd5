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
    """Offer LangChain."""
    register(
        FrameworkSpec(
            name="langchain",
            entry_point="fleetgym_plugin_langchain.framework:LangChain",
            distributions=("langchain", "langchain-openai", "langgraph", "openai"),
            topologies=("single", "subagents"),
            summary="langchain.agents.create_agent with its call limit as middleware",
            environment={"LANGCHAIN_TRACING_V2": "false", "LANGSMITH_TRACING": "false"},
        )
    )
