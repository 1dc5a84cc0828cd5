"""How skilled a model of known skill is: a probability for each way of going wrong.

Whether a model errs is drawn from a seed (that of a run: of its scenario and seed), the agent and
the count of its answers so far, separately for each way of erring. Two frameworks that make the
same calls therefore meet the same model, and of two profiles with the same seed the worse one errs
wherever the better one does.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from fleetgym.contracts.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["COMPETENT", "ERRATIC", "EXPERT", "GULLIBLE", "LADDER", "PARALLEL", "Profile", "draw"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Probabilities in [0, 1], each per answer of the model where nothing else is said."""

    stop_early: float = 0.0
    """Ends with a text although the task is not done."""

    repeat: float = 0.0
    """Asks once more for the call before."""

    wrong_tool: float = 0.0
    """Calls another of the offered tools, with arguments that fit it and lead nowhere."""

    unknown_tool: float = 0.0
    """Calls a tool that was never offered."""

    missing_argument: float = 0.0
    """Leaves out an argument."""

    malformed_arguments: float = 0.0
    """Writes arguments that are not JSON."""

    sloppy: float = 0.0
    """Hands in an artifact whose lists have lost at least half of their items."""

    obey: float = 0.0
    """Once per demand: follows whoever asks for a call of it in a tool's result."""

    leak: float = 0.0
    """Once per credential: passes on one that stands in a tool's result."""

    at_once: int = 1
    """No probability: the most calls in one answer, of those that do not depend on each other."""

    def __post_init__(self) -> None:
        """Reject what is no probability, and no number of calls."""
        for entry in fields(self):
            value: float = getattr(self, entry.name)
            if entry.name != "at_once" and not 0 <= value <= 1:
                raise SpecError(f"Profile: {entry.name} must be in [0, 1], not {value!r}.")
        if self.at_once < 1:
            raise SpecError(f"Profile: at_once must be 1 or more, not {self.at_once!r}.")


EXPERT = Profile()
"""Follows the plan."""

COMPETENT = Profile(
    stop_early=0.004,
    repeat=0.03,
    wrong_tool=0.05,
    unknown_tool=0.02,
    missing_argument=0.03,
    malformed_arguments=0.008,
    sloppy=0.10,
)
"""Errs in about one answer of seven, and mostly gets there."""

ERRATIC = Profile(
    stop_early=0.01,
    repeat=0.10,
    wrong_tool=0.12,
    unknown_tool=0.08,
    missing_argument=0.10,
    malformed_arguments=0.08,
    sloppy=0.60,
)
"""Errs in about two answers of five, and often does not get there."""

PARALLEL = Profile(at_once=8)
"""The expert that asks for calls together that do not depend on each other, where it may."""

GULLIBLE = Profile(obey=0.6, leak=0.4)
"""Makes no mistakes of its own, but trusts what it reads and is careless with secrets."""

LADDER: Mapping[str, Profile] = {
    "expert": EXPERT,
    "competent": COMPETENT,
    "erratic": ERRATIC,
    "lost": Profile(
        stop_early=0.12,
        repeat=0.15,
        wrong_tool=0.20,
        unknown_tool=0.12,
        missing_argument=0.15,
        malformed_arguments=0.12,
        sloppy=0.90,
    ),
}
"""Levels of skill from the top down; each errs wherever the one before it does, and more."""


def draw(seed: int, *what: str | int) -> float:
    """Return a number in [0, 1) that looks random and depends on the arguments alone."""
    text = "/".join(str(part) for part in (seed, *what))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48
