"""An environment's own expert, which stands in for a model of known skill, and its cheats."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from fleetgym.contracts.errors import PlanLost
from fleetgym.contracts.tools import ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fleetgym.contracts.episode import Brief
    from fleetgym.contracts.scenario import Budget

__all__ = [
    "Adversary",
    "IndependentCall",
    "Moves",
    "Plan",
    "ReferencePolicy",
    "ask",
    "ask_all",
    "together",
]

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


@dataclass(frozen=True, slots=True)
class IndependentCall(ToolCall):
    """A call after which a plan makes others, whatever comes of this one.

    A model that asks for several calls at a time may ask for all of them at once.
    """

    others: tuple[ToolCall, ...] = ()
    """What the plan yields next, in this order."""


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


def together(calls: Sequence[ToolCall]) -> Moves[list[ToolResult]]:
    """Make calls that do not depend on each other, within a plan, and return their results."""
    results: list[ToolResult] = []
    for call in _independent(calls):
        result = yield call
        results.append(result)
    return results


def ask(tool: str, **arguments: Any) -> Moves[str]:
    """Call a tool, within a plan, and return what it says.

    Raises:
        PlanLost: It was refused.
    """
    return (yield from ask_all([ToolCall(tool, arguments)], str))[0]


def ask_all(calls: Sequence[ToolCall], read: Callable[[str], _T]) -> Moves[list[_T]]:
    """Make calls that do not depend on each other, within a plan, and return what they say.

    Args:
        calls: In the order in which they are made.
        read: Makes sense of what one says, at once: what it cannot read is asked for again.

    Raises:
        PlanLost: One of them was refused.
    """
    said: list[_T] = []
    for call in _independent(calls):
        result = yield call
        if result.is_error:
            raise PlanLost(f"{call.name}: {result.content[:200]}")
        said.append(read(result.content))
    return said


def _independent(calls: Sequence[ToolCall]) -> list[IndependentCall]:
    return [
        IndependentCall(call.name, call.arguments, tuple(calls[number:]))
        for number, call in enumerate(calls, start=1)
    ]
