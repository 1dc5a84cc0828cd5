"""The ordinary life of the estate: all rows that no scenario planted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_env_cti_realm.estate import Estate

__all__ = ["background"]


def background(estate: Estate, rng: Generator, rows: int = 24_000) -> dict[str, dict[str, Any]]:
    """Return at least ``rows`` rows over all twelve tables, columns as arrays, in order of time."""
    raise NotImplementedError
