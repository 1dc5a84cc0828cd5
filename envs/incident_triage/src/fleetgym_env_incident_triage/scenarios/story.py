"""What a scenario is made of, and the pace at which its intruders work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from fleetgym_env_incident_triage.acts.act import Act
    from fleetgym_env_incident_triage.queue import Plan
    from fleetgym_estate.estate import Estate

__all__ = ["Story", "paced"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What all seeds of a scenario have in common."""

    id: str
    title: str
    platform: str
    """linux, aks, azure or mixed."""

    difficulty: str
    """easy, medium or hard."""

    plan: Plan
    version: int = 1


def paced(estate: Estate, rng: Generator, acts: Sequence[Act]) -> list[Act]:
    """Return the acts one after the other, 10 to 150 minutes apart, from some hour on."""
    at = estate.start + timedelta(minutes=float(rng.uniform(3 * 60, 26 * 60)))
    found: list[Act] = []
    for act in acts:
        found.append(replace(act, at=at))
        at += timedelta(minutes=float(rng.uniform(10, 150)))
    return found
