"""Completing a planted row so that it looks as background rows do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import Generator

    from fleetgym_env_cti_realm.estate import Estate

__all__ = ["complete"]


def complete(
    estate: Estate, rng: Generator, table: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a full row of ``table``: ``values`` kept, every other column filled plausibly.

    Objects given for JSON columns may be partial: keys that are missing are filled as well. A time
    without digits below the second gets those that the table records.
    """
    raise NotImplementedError
