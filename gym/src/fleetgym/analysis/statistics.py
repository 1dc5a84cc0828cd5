"""Estimates with 95 % intervals, the same ones for the same records."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

__all__ = ["Estimate", "resamples", "stratified_mean", "wilson"]

_Z = 1.959963984540054
"""The 97.5th percentile of the standard normal distribution."""

_RESAMPLES = 2000
_SEED = 20_250_101
_TAILS = (2.5, 97.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(successes: int, runs: int) -> Estimate:
    """Return a share of successes with Wilson's score interval.

    Unlike the normal approximation it stays in [0, 1] and has a width when all or none succeed.

    Args:
        successes: At most ``runs``.
        runs: At least 1.
    """
    share = successes / runs
    shrink = 1 + _Z**2 / runs
    center = (share + _Z**2 / (2 * runs)) / shrink
    half = _Z / shrink * math.sqrt(share * (1 - share) / runs + (_Z / (2 * runs)) ** 2)
    return Estimate(
        value=share,
        low=0.0 if successes == 0 else center - half,
        high=1.0 if successes == runs else center + half,
    )


def resamples(strata: Sequence[Hashable]) -> NDArray[np.float64]:
    """Return bootstrap weights: a row per resample, a column per run, each row summing to 1.

    Runs are drawn within their stratum, so that an interval says how a framework would do with
    other seeds of the same scenarios. Strata of one run cannot vary by themselves and are drawn as
    one stratum together.

    Args:
        strata: Of each run, for example its scenario; at least one.
    """
    sizes = Counter(strata)
    groups: dict[Hashable, list[int]] = {}
    for column, stratum in enumerate(strata):
        groups.setdefault(stratum if sizes[stratum] > 1 else None, []).append(column)
    rng = np.random.default_rng(_SEED)
    weights = np.zeros((_RESAMPLES, len(strata)))
    for columns in groups.values():
        size = len(columns)
        weights[:, columns] = rng.multinomial(size, [1 / size] * size, size=_RESAMPLES)
    return weights / len(strata)


def stratified_mean(
    values: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean over runs, and the ends of its bootstrap percentile interval.

    Args:
        values: Runs along the first axis; further axes are estimated one by one.
        weights: What :func:`resamples` gave for these runs.
    """
    low, high = np.percentile(np.tensordot(weights, values, axes=1), _TAILS, axis=0)
    mean = values.mean(axis=0)
    # A mean of equal numbers may differ from them in its last bit.
    return mean, np.minimum(low, mean), np.maximum(high, mean)
