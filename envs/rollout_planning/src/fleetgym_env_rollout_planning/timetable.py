"""Finding times for stages: pure arithmetic, the same for who makes releases and who plans them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["GRID", "Timetable", "Window", "ladder"]

GRID = timedelta(minutes=30)
"""Stages begin on the hour or half past."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When stages may begin, and when they have to be over."""

    weekdays: Sequence[int]
    first_hour: int
    last_hour: int
    end_hour: int
    ahead: timedelta
    """How far the owner's clock is ahead of UTC."""

    def admits(self, start: datetime, end: datetime) -> bool:
        """Return whether a stage may last from ``start`` to ``end``, in UTC."""
        local, close = start + self.ahead, end + self.ahead
        first, last = timedelta(hours=self.first_hour), timedelta(hours=self.last_hour)
        day = local.replace(hour=0, minute=0, second=0, microsecond=0)
        return (
            local.weekday() in self.weekdays
            and day + first <= local <= day + last
            and close <= day + timedelta(hours=self.end_hour)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """What the stages of one service have to keep to."""

    percents: Sequence[int]
    soak: timedelta
    deadline: datetime
    window: Window | None = None
    """None where stages may begin at any time."""

    closed: Sequence[tuple[datetime, datetime]] = ()
    """Times that no stage may touch."""

    def starts(self, after: datetime, may_begin: Callable[[datetime], bool]) -> Iterator[datetime]:
        """Yield each time from ``after`` on at which a rollout can begin that ends in time."""
        for start in self._grid(after):
            if may_begin(start) and self._admits(start) and self.stages(start) is not None:
                yield start

    def stages(self, start: datetime) -> list[datetime] | None:
        """Return when the stages begin, each as early as it can; None if that is too late."""
        found = [start]
        for _ in self.percents[1:]:
            following = next(filter(self._admits, self._grid(found[-1] + self.soak)), None)
            if following is None:
                return None
            found.append(following)
        return found if found[-1] + self.soak <= self.deadline else None

    def _grid(self, after: datetime) -> Iterator[datetime]:
        midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
        start = midnight - (midnight - after) // GRID * GRID
        while start + self.soak <= self.deadline:
            yield start
            start += GRID

    def _admits(self, start: datetime) -> bool:
        end = start + self.soak
        return (self.window is None or self.window.admits(start, end)) and not any(
            start < until and end > since for since, until in self.closed
        )


def ladder(first_percent: int, growth: int, stages: int, replicas: int) -> list[int]:
    """Return the percentages of stages: first one pod, then as steep as leaves enough of them."""
    first = max(1, min(first_percent, 100 // replicas))
    found = [first]
    for factor in range(growth, 1, -1):
        found = [first]
        while found[-1] < 100:
            found.append(min(100, found[-1] * factor))
        if len(found) >= stages:
            break
    return found
