"""An environment's own expert, which stands in for a model of known skill, and its cheats."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from fleetgym.contracts.errors import PlanLost
from fleetgym.contracts.tools import ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetgym.contracts.episode import Brief
    from fleetgym.contracts.scenario import Budget

__all__ = ["Adversary", "Moves", "Plan", "ReferencePolicy", "ask"]

_T = TypeVar("_T")
Moves: TypeAlias = Generator[ToolCall, ToolResult, _T]
"""A part of a plan that comes to a result."""

Plan: TypeAlias = Moves[None]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Adversary:
    """Seeks a score without doing the task; what it gets says how far a grader can be trusted."""

    name: str
    """Short and stable, for example ``everything``."""

    summary: str
    """What it does, in a few words."""

    below: float
    """Every episode of it has to score less."""

    plan: Callable[[Brief, Budget, int], Plan]
    """Takes what an agent is told, what it may spend, and a seed for what it draws.

    Knows nothing else of the instance, as a :class:`ReferencePolicy` does.
    """


def ask(tool: str, **arguments: Any) -> Moves[str]:
    """Call a tool, within a plan, and return what it says.

    Raises:
        PlanLost: It was refused.
    """
    result = yield ToolCall(tool, arguments)
    if result.is_error:
        raise PlanLost(f"{tool}: {result.content[:200]}")
    return result.content
