"""What a story comes to for one seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym_estate.event import Event

__all__ = ["Plot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One seed's intrusion."""

    events: Sequence[Event]
    patterns: Mapping[str, str] = field(default_factory=dict[str, str])
    """Column to regular expression that the rows asked for match, for the ``compat`` grader."""
