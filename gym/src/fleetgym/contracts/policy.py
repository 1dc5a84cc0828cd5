"""An environment's own expert, which stands in for a model of known skill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Generator

    from fleetgym.contracts.tools import ToolCall, ToolResult

__all__ = ["Plan", "ReferencePolicy"]

Plan: TypeAlias = "Generator[ToolCall, ToolResult, None]"
"""Yields the next call, is sent its result, and ends after the call of ``submit``.

Raises ``PlanLost`` when it cannot go on from the results: the call is tried again, then the policy
stops. Whatever else it raises in the end is an error of the policy.
"""


class ReferencePolicy(Protocol):
    """Solves every scenario of an environment, driven by observations only.

    Knows the craft (how such tasks are solved), never the instance: hosts, users, times and
    values come from the results it is sent. Deterministic.
    """

    def plan(self, prompt: str) -> Plan:
        """Return a fresh plan.

        The plan is run again from its start for each request to the model and is sent the
        recorded result of each call it repeats, so it must depend on nothing but ``prompt`` and
        the results.

        Args:
            prompt: Everything the agent was told, in whatever words a framework wrapped it.
        """
        ...
