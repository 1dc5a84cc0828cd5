"""Cumulative reward against steps: how early a framework earns, not only how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fleetgym.analysis.statistics import resamples, stratified_mean
from fleetgym.analysis.summary import REFERENCE, grouped
from fleetgym.contracts.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fleetgym.contracts.record import RunRecord

__all__ = ["EXPERT", "Curve", "reward_curves"]

EXPERT = "expert (ceiling)"
"""The name of the reference policy's own curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Mean cumulative reward after 0, 1, 2 … steps; all of equal length."""

    name: str
    runs: int
    mean: tuple[float, ...]
    low: tuple[float, ...]
    """Ends of the 95 % bootstrap interval of the mean, at each step by itself."""

    high: tuple[float, ...]


def reward_curves(records: Sequence[RunRecord], scenario: str | None = None) -> list[Curve]:
    """Return a curve per framework, and the expert's last if it ran.

    A run that has ended stays at its last value, so that every run counts at every step. Void runs
    are left out. All curves are as long as the longest run.

    Args:
        records: Any runs.
        scenario: Only runs of this one.
    """
    chosen = [
        record
        for record in records
        if record.outcome is not Outcome.VOID and scenario in (None, record.key.scenario)
    ]
    if not chosen:
        return []
    length = max(len(record.steps) for record in chosen)
    curves = [_curve(name, runs, length) for name, runs in grouped(chosen).items()]
    expert = [record for record in chosen if record.key.framework == REFERENCE]
    return [*curves, _curve(EXPERT, expert, length)] if expert else curves


def _curve(name: str, runs: Sequence[RunRecord], length: int) -> Curve:
    values = np.stack([_cumulative(record, length) for record in runs])
    weights = resamples([record.key.scenario for record in runs])
    mean, low, high = stratified_mean(values, weights)
    return Curve(
        name=name,
        runs=len(runs),
        mean=_rounded(mean),
        low=_rounded(low),
        high=_rounded(high),
    )


def _cumulative(record: RunRecord, length: int) -> NDArray[np.float64]:
    earned = np.cumsum([0.0, *(step.reward for step in record.steps)])
    return np.pad(earned, (0, length + 1 - len(earned)), mode="edge")


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)
