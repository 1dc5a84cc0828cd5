"""What a scenario is made of: a story told once, and a plot that every seed draws anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.random import Generator

    from fleetgym_env_cti_realm.estate import Estate

__all__ = ["Event", "Plot", "Story"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A row to be planted; columns that are not given are filled as background rows are."""

    table: str
    values: Mapping[str, Any]
    asked_for: bool = False
    """Whether it is one of the rows that the detection has to return.

    The rest are the intrusion's context, and benign look-alikes.
    """


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

    report_ids: frozenset[str]
    techniques: frozenset[str]
    tables: frozenset[str]
    """Worth opening."""

    draw: Callable[[Estate, Generator], Plot]
    version: int = 1
