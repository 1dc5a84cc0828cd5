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
    """Offer CrewAI."""
    register(
        FrameworkSpec(
            name="crewai",
            entry_point="fleetgym_plugin_crewai.framework:CrewAI",
            distributions=("crewai", "openai"),
            topologies=("single", "sequential", "hierarchical"),
            summary="a Crew of one Agent with one Task",
            environment={
                # Without the first it takes over the signal handlers, SIGTERM included.
                "CREWAI_DISABLE_TELEMETRY": "true",
                "CREWAI_DISABLE_VERSION_CHECK": "true",
                "CREWAI_STORAGE_DIR": "{home}/crewai",
                "CREWAI_TESTING": "true",
                "CREWAI_TRACING_ENABLED": "false",
            },
        )
    )
