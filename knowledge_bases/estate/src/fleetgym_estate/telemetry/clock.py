"""When things happen: people keep office hours, load follows the day, machines never rest."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from fleetgym_estate.telemetry.draw import Array, indices

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Estate

__all__ = ["HOUR", "SECOND", "begin", "flat", "load", "nightly", "people", "slots"]

SECOND = 1_000_000
"""Microseconds, the unit of all integer times here."""

HOUR = 3600 * SECOND

# Share of each hour of the day, local time.
_PEOPLE = (1, 0, 0, 0, 0, 1, 3, 14, 52, 88, 94, 86, 46, 70, 92, 90, 74, 44, 18, 10, 8, 7, 4, 2)
_LOAD = (22, 18, 15, 14, 15, 20, 32, 50, 72, 86, 92, 95, 96, 94, 93, 92, 90, 86, 82, 78, 70, 58)
_LOAD_BY_HOUR = (*_LOAD, 42, 30)


@lru_cache(maxsize=64)
def begin(estate: Estate) -> int:
    """Return the begin of the window in microseconds since 1970."""
    return int(np.datetime64(estate.start, "us").astype(np.int64))


def flat(rng: Generator, estate: Estate, n: int) -> Array:
    """Return ``n`` times spread evenly over the window, in microseconds since 1970, unsorted."""
    return begin(estate) + rng.integers(0, 48 * HOUR, n)


def load(rng: Generator, estate: Estate, n: int) -> Array:
    """Return ``n`` times that follow the load of a public service."""
    return _by_hour(rng, estate, n, _LOAD_BY_HOUR, 1)


def nightly(rng: Generator, estate: Estate, n: int) -> Array:
    """Return ``n`` times of jobs that run for an hour or so in each night."""
    hour = rng.integers(0, 2, n) * 24 + 1 + rng.integers(0, 2, n)
    return begin(estate) + hour * HOUR + (rng.beta(1.2, 2.5, n) * HOUR).astype(np.int64)


def people(rng: Generator, estate: Estate, n: int, utc_offset_h: Array | int = 1) -> Array:
    """Return ``n`` times that follow the working day of people at ``utc_offset_h``."""
    return _by_hour(rng, estate, n, _PEOPLE, utc_offset_h)


def _by_hour(
    rng: Generator, estate: Estate, n: int, weights: tuple[int, ...], offset: Array | int
) -> Array:
    hour = (indices(rng, n, weights) - offset) % 24 + 24 * rng.integers(0, 2, n)
    return begin(estate) + hour * HOUR + rng.integers(0, HOUR, n)


def slots(estate: Estate, every_min: int, at_min: int) -> Array:
    """Return all times of a schedule within the window: each ``every_min`` from ``at_min``."""
    minutes = np.arange(at_min % every_min, 48 * 60, every_min)
    return begin(estate) + minutes * 60 * SECOND
