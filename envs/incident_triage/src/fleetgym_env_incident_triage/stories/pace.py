"""The pace at which intruders work."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from fleetgym_env_incident_triage.acts.act import Act
    from fleetgym_estate.estate import Estate

__all__ = ["paced"]


def paced(estate: Estate, rng: Generator, acts: Sequence[Act]) -> list[Act]:
    """Return the acts one after the other, 10 to 150 minutes apart, from some hour on."""
    at = estate.start + timedelta(minutes=float(rng.uniform(3 * 60, 26 * 60)))
    found: list[Act] = []
    for act in acts:
        found.append(replace(act, at=at))
        at += timedelta(minutes=float(rng.uniform(10, 150)))
    return found
