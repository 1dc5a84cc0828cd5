"""How a trajectory earns its score: checkpoints, online and exactly once.

A checkpoint is a fact about a trajectory with a weight; the fact may be reached in part. The
process score is the weighted sum of how far each is reached, and a step's reward is the change
of that sum. Rewards therefore telescope: those of an episode add up to its process score, so the
two can never disagree. A fact that can be lost again (say, precision over the tables opened)
takes back what it gave; a reward lies in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from fleetgym.contracts.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fleetgym.contracts.tools import ToolCall, ToolResult

__all__ = ["Checkpoint", "Grader", "Score", "Step", "Trajectory", "score", "validate_weights"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One tool call and what came of it."""

    call: ToolCall
    result: ToolResult

    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What executing the artifact showed, on the step that submitted it; JSON, else empty.

    Everything a checkpoint needs beyond the calls and results stands here, so that a recorded
    trajectory can be graded again without a sandbox.
    """

    said: str = ""
    """What the model wrote between the step before and this one, where it is known."""


Trajectory: TypeAlias = "Sequence[Step]"
"""All steps so far, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A fact worth ``weight`` as far as it is reached."""

    name: str
    """Short and stable, for example ``C2_data_exploration``."""

    weight: float
    """In (0, 1]; the weights of an episode's checkpoints sum to 1."""

    reached: Callable[[Trajectory], float]
    """How far a trajectory has reached it, in [0, 1]. Pure: the same steps, the same answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A judgement of a trajectory."""

    value: float
    """In [0, 1]."""

    parts: Mapping[str, float]
    """How far each checkpoint is reached, in [0, 1], by name."""

    weights: Mapping[str, float]
    """By the same names; ``value`` is the sum of the products."""


class Grader(Protocol):
    """Turns one environment's truth into checkpoints."""

    name: str
    """For example ``strict``."""

    version: str
    """Moves when an unchanged trajectory may score otherwise."""

    def read(self, answer: str) -> Mapping[str, Any]:
        """Return the artifact in ``answer``.

        Raises:
            ToolError: It is not acceptable; the agent sees why and may submit again.
        """
        ...

    def examine(
        self, artifact: Mapping[str, Any], execute: Callable[[ToolCall], ToolResult]
    ) -> Mapping[str, Any]:
        """Execute what the artifact claims and return what that showed, as JSON.

        Called once, at submission. ``execute`` calls a tool in the sandbox, hidden ones
        included; nothing of an artifact may be executed anywhere else.
        """
        ...

    def checkpoints(self, truth: Any) -> Sequence[Checkpoint]:
        """Return the checkpoints of an instance with this ground truth."""
        ...


def validate_weights(checkpoints: Sequence[Checkpoint]) -> None:
    """Check that the weights sum to 1 within 1e-9.

    Raises:
        SpecError: They do not.
    """
    total = sum(c.weight for c in checkpoints)
    if abs(total - 1.0) > 1e-9:
        raise SpecError(f"Checkpoint weights sum to {total:g}; they must sum to 1.")


def score(checkpoints: Sequence[Checkpoint], trajectory: Trajectory) -> Score:
    """Return what ``trajectory`` has reached so far; the empty one is worth nothing.

    Sums in the order of ``checkpoints``, so equal trajectories give bit-equal values.
    """
    parts = {
        c.name: min(1.0, max(0.0, c.reached(trajectory))) if trajectory else 0.0
        for c in checkpoints
    }
    return Score(
        value=min(1.0, sum(c.weight * parts[c.name] for c in checkpoints)),
        parts=parts,
        weights={c.name: c.weight for c in checkpoints},
    )
