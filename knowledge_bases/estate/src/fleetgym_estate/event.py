"""A row that a story adds to the telemetry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A row to be planted; columns that are not given are filled as background rows are."""

    table: str
    values: Mapping[str, Any]
    asked_for: bool = False
    """Whether it is one of the rows that the agent has to find.

    The rest are the intrusion's context, and benign look-alikes.
    """
