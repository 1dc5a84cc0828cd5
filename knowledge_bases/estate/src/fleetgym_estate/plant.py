"""The telemetry of one instance: the estate's ordinary life with a story's events among it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym_estate.background import background
from fleetgym_estate.database import write
from fleetgym_estate.event import Event
from fleetgym_estate.rows import complete

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.random import Generator

    from fleetgym_estate.estate import Estate

__all__ = ["plant"]


def plant(
    path: Path, estate: Estate, events: Sequence[Event], *, life: Generator, filler: Generator
) -> tuple[int, ...]:
    """Write a new file with the background of ``estate`` and ``events``.

    Args:
        path: Of the DuckDB file.
        estate: Whose telemetry it is.
        events: Any number, in any order.
        life: Draws the background.
        filler: Draws what the events leave open.

    Returns:
        The row id of each event in its table, in the order of ``events``.
    """
    completed = [
        Event(table=event.table, values=complete(estate, filler, event.table, event.values))
        for event in events
    ]
    return write(path, background(estate, life), completed)
