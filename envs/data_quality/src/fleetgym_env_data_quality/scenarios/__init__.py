"""The scenarios of DataQuality-v1: each stands in a YAML file here."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgym.scenarios.files import load_scenarios

if TYPE_CHECKING:
    from fleetgym.contracts.scenario import Scenario

__all__ = ["scenarios"]

_ORDER = ("payments", "shipments", "everything")
"""In which they are listed; the first is the environment's default."""


@cache
def scenarios() -> tuple[Scenario, ...]:
    """Return every scenario."""
    return load_scenarios(Path(__file__).parent, order=_ORDER)
