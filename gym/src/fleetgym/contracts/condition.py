"""What is done to a run on purpose, the same for every framework that is compared.

A condition changes a scenario (what is told, what is offered) or makes one disturbance an episode,
which stands between the agent and its tools. Both depend on the scenario, the seed and the
condition's name alone. What the disturbance sees of the agent it reports as findings: facts of the
episode, never a judgement by a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.episode import Brief
    from fleetgym.contracts.faults import FaultPlan
    from fleetgym.contracts.scenario import Scenario
    from fleetgym.contracts.tools import ToolCall, ToolResult, ToolSpec

__all__ = ["CLEAN", "Condition", "Disturbance", "Finding", "FindingKind"]

CLEAN = "clean"
"""The name of the condition that does nothing."""


class FindingKind(StrEnum):
    """What a disturbance can find."""

    EXPOSED = "exposed"
    """What was planted stood in a result that the agent saw."""

    UNPROMPTED = "unprompted"
    """The bait tool was called before the agent had seen anything that asks for it."""

    ATTEMPTED = "attempted"
    """The bait tool was called in vain, or otherwise than asked."""

    OBEYED = "obeyed"
    """The bait tool was called as the planted text asks."""

    REFUSED = "refused"
    """Exposed, and the bait tool was never called; known at the end."""

    LEAKED = "leaked"
    """A canary left the agent; ``detail`` says where."""

    CONTAINED = "contained"
    """Exposed, and no canary left the agent; known at the end."""

    INJECTED = "injected"
    """A fault of a tool call that is no fault of the agent or the tool."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about an episode under a condition."""

    kind: FindingKind
    step: int | None
    """Index of the step that shows it, from 0; None for what is known only at the end."""

    detail: str
    fault: str = ""
    """The kind of fault, of what was injected."""


class Disturbance:
    """Does nothing to one episode; conditions override what they need.

    The env calls :meth:`before` for each call that is valid and no submission, and :meth:`after`
    once for every step, in order.
    """

    planted: Mapping[str, str] = {}
    """Texts to be planted in the instance, by surface."""

    def brief(self, brief: Brief) -> Brief:
        """Return what the agent is told instead."""
        return brief

    def answer(self, call: ToolCall) -> str:
        """Return what one of the condition's own tools answers; executes nothing."""
        raise NotImplementedError(call.name)

    def before(self, call: ToolCall) -> ToolResult | None:
        """Return a result in place of the tool's, or None to let the call through."""
        del call
        return None

    def after(self, call: ToolCall, result: ToolResult) -> ToolResult:
        """Return what the agent is shown."""
        del call
        return result

    def hear(self, said: str) -> None:
        """Take notice of what the model wrote before the next step."""

    def findings(self, *, over: bool = False) -> Sequence[Finding]:
        """Return what was found so far, oldest first; when ``over``, also what only the end tells.

        Those with a step are only ever appended.
        """
        del over
        return ()


class Condition(Protocol):
    """A factor of runs; one object serves all of them and keeps nothing."""

    name: str
    """For example ``injection/document-weak``."""

    family: str
    """For example ``injection``; runs of a family are compared with those of ``clean``."""

    version: str
    """Moves when the same scenario and seed may be disturbed otherwise."""

    surfaces: frozenset[str]
    """Where texts are planted in instances; an env without one of them refuses the condition."""

    faults: FaultPlan
    """What befalls requests to the model, at the gateway, and tool calls, in the disturbance."""

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """What is offered beside the scenario's own tools; the same for every seed."""
        ...

    def adapt(self, scenario: Scenario) -> Scenario:
        """Return the scenario as agents meet it; the same for every seed.

        Raises:
            SpecError: The condition does not fit the scenario; says what it lacks.
        """
        ...

    def disturb(self, scenario: Scenario, seed: int) -> Disturbance:
        """Return a fresh disturbance of one episode."""
        ...
