"""What a scenario is made of: a story told once, and a plot that every seed draws anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.random import Generator

    from fleetgym_estate.estate import Estate
    from fleetgym_estate.event import Event

__all__ = ["Plot", "Story"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One seed's intrusion."""

    events: Sequence[Event]
    patterns: Mapping[str, str] = field(default_factory=dict[str, str])
    """Column to regular expression that the rows asked for match, for the ``compat`` grader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What all seeds of a scenario have in common."""

    id: str
    title: str
    platform: str
    """linux, aks or azure."""

    difficulty: str
    """easy, medium or hard."""

    objective: str
    """What the agent is told to detect; ``{start}`` and ``{end}`` are the window's."""

    vague: str = ""
    """The objective without its specifics; the platform's by default."""

    report_ids: frozenset[str]
    techniques: frozenset[str]
    tables: frozenset[str]
    """Worth opening."""

    draw: Callable[[Estate, Generator], Plot]
    version: int = 1
