"""What a release desk knows: services with load tests, forecasts, a calendar, rules, prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003 - pydantic reads the annotations
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import TypeAdapter

__all__ = [
    "INDICATORS",
    "Book",
    "Entry",
    "LoadTest",
    "Order",
    "Prices",
    "Release",
    "Rules",
    "Service",
    "Tier",
]

INDICATORS = ("error_ratio", "latency_p99_ms")
"""What an objective is about: a share of requests in [0, 1], and milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTest:
    """What one pod of an image was measured to do."""

    rps: int
    """Requests a second that it serves within the objective."""

    memory_mib: int
    """99th percentile of what it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service's card."""

    team: str
    utc_offset_min: int
    """Minutes that the team's clock is ahead of UTC."""

    tier: int
    calls: Sequence[str]
    """Services that it calls, as ``namespace/name``."""

    objective: Mapping[str, float]
    """The most that each of :data:`INDICATORS` may be."""

    tests: Mapping[str, LoadTest]
    """By image."""

    errors_left: int
    """Requests that may still fail before its error budget is spent."""

    detection_min: int
    """Minutes until an alert fires when a version fails."""

    monthly_budget: float
    """For its pods, in EUR."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One service of a release, and the image that it is to have."""

    service: str
    image: str
    settings: Mapping[str, str]
    """Environment variables that the image needs and the one before did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What is to be released."""

    id: str
    reason: str
    critical: bool
    deadline: datetime
    orders: Sequence[Order]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the change calendar."""

    start: datetime
    end: datetime
    kind: Literal["freeze", "maintenance", "rollout"]
    concerns: str
    """A namespace, or ``everybody``."""

    hard: bool
    """Whether a freeze holds for critical releases, too."""

    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """How carefully services of a tier are released."""

    first_percent: int
    """The most that a first stage may reach."""

    growth: int
    """The most that a stage may reach, in multiples of the one before."""

    stages: int
    """The least number of stages."""

    soak_min: int
    """The least time that a stage lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The numbers in the platform's documents."""

    weekdays: Sequence[int]
    """On which stages begin; 0 is Monday."""

    first_hour: int
    last_hour: int
    """Between which stages begin, by the team's clock."""

    end_hour: int
    """By which stages end on the same day, by the team's clock."""

    tiers: Mapping[int, Tier]
    utilization: float
    """How much of the measured requests a second may be used."""

    memory_factor: float
    """Memory request over the 99th percentile, at least."""

    limit_factor: float
    """Memory limit over the request, at most."""

    canary_share: float
    """How much of the error budget that is left a first stage may put at stake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What requested resources cost, in EUR an hour."""

    cpu: float
    gib: float
    hours: int = 730
    """In a month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """All of it."""

    now: datetime
    release: Release
    services: Mapping[str, Service]
    """By ``namespace/name``."""

    forecast_start: datetime
    forecasts: Mapping[str, Sequence[int]]
    """Requests a second of each hour since ``forecast_start``, by service."""

    calendar: Sequence[Entry]
    rules: Rules
    prices: Prices
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further paragraphs of documents, by their name."""

    @property
    def forecast_end(self) -> datetime:
        """The end of the last hour that is forecast."""
        return self.forecast_start + timedelta(
            hours=min(len(hours) for hours in self.forecasts.values())
        )

    def demand(self, service: str, start: datetime, end: datetime) -> int:
        """Return the most that is forecast in the hours that ``[start, end)`` touches; 0 if none.

        Requests a second.
        """
        hour = timedelta(hours=1)
        first = max(0, (start - self.forecast_start) // hour)
        last = -((self.forecast_start - end) // hour)
        return max(self.forecasts[service][first:last], default=0)

    def to_json(self) -> dict[str, Any]:
        """Return it in JSON's types."""
        return _BOOK.dump_python(self, mode="json")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Book:
        """Return what :meth:`to_json` wrote.

        Raises:
            ValueError: It is none.
        """
        return _BOOK.validate_python(data)


_BOOK = TypeAdapter(Book)
