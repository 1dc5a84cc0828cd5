"""The condition that does nothing, and what all conditions have in common."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

from fleetgym.contracts.condition import CLEAN as NAME
from fleetgym.contracts.condition import Disturbance
from fleetgym.contracts.faults import NONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetgym.contracts.scenario import Scenario
    from fleetgym.contracts.tools import ToolSpec

__all__ = ["CLEAN", "Clean", "generator"]


class Clean:
    """Does nothing to any scenario; other conditions override what they do."""

    name = NAME
    family = NAME
    version = "1"
    surfaces: frozenset[str] = frozenset()
    tools: Sequence[ToolSpec] = ()
    faults = NONE

    def adapt(self, scenario: Scenario) -> Scenario:
        """Return the scenario as it is."""
        return scenario

    def disturb(self, scenario: Scenario, seed: int) -> Disturbance:
        """Return a disturbance that does nothing."""
        del scenario, seed
        return Disturbance()


CLEAN = Clean()


def generator(condition: str, seed: int, *what: str | int) -> random.Random:
    """Return a generator that depends on the arguments alone."""
    text = "/".join(str(part) for part in (condition, seed, *what))
    return random.Random(hashlib.sha256(text.encode()).digest())  # noqa: S311 - no secret
