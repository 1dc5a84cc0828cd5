"""Reading what the platform's documents, cards and tables say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import yaml

from fleetgym.contracts.policy import ask, ask_all
from fleetgym.contracts.tools import ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fleetgym.contracts.policy import Moves

__all__ = ["Card", "Rules", "Tier", "read_calendar", "read_card", "read_rules"]

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WINDOW = re.compile(r"begin from (\w+) to (\w+), from (\d\d):00 to (\d\d):00, and end by\s+(\d\d)")
_TIER = re.compile(r"\|\s*(\d) \| (\d+) % \| (\d+) times \| (\d+) \| (\d+) minutes")
_MEMORY = re.compile(r"([\d.]+)\s+times\s+the\s+99th.*?at\s+most\s+([\d.]+)\s+times", re.DOTALL)
_CANARY = re.compile(r"at\s+most\s+(\d+)%\s+of\s+the\s+requests")
_GAP = re.compile(r"\s{2,}")
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """How carefully services of a tier are released."""

    first_percent: int
    growth: int
    stages: int
    soak_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The numbers of the documents."""

    weekdays: range
    first_hour: int
    last_hour: int
    end_hour: int
    tiers: Mapping[int, Tier]
    memory_factor: float
    limit_factor: float
    canary_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A service's card and forecast."""

    service: str
    ahead: timedelta
    tier: int
    calls: Sequence[str]
    objective: Mapping[str, float]
    errors_left: int
    detection: timedelta
    rps: Mapping[str, int]
    memory_mib: Mapping[str, int]
    forecast: Mapping[datetime, int]

    @property
    def peak(self) -> int:
        """The highest forecast."""
        return max(self.forecast.values())

    def demand(self, start: datetime, end: datetime) -> int:
        """Return the most that is forecast in the hours from ``start`` to ``end``."""
        return max(
            rps for hour, rps in self.forecast.items() if hour < end and hour + _HOUR > start
        )


def read_rules() -> Moves[Rules]:
    """Read every document, and return its numbers."""
    names = (yield from ask("list_documents")).split()
    read = [ToolCall("read_document", {"name": name}) for name in names]
    text = "".join((yield from ask_all(read, str)))
    first, last, opens, closes, ends = _the(_WINDOW, text)
    factor, limit = _the(_MEMORY, text)
    return Rules(
        weekdays=range(_DAYS.index(first), _DAYS.index(last) + 1),
        first_hour=int(opens),
        last_hour=int(closes),
        end_hour=int(ends),
        tiers={
            int(tier): Tier(
                first_percent=int(percent), growth=int(growth), stages=int(stages),
                soak_min=int(soak),
            )
            for tier, percent, growth, stages, soak in _TIER.findall(text)
        },
        memory_factor=float(factor),
        limit_factor=float(limit),
        canary_share=int(_the(_CANARY, text)[0]) / 100,
    )  # fmt: skip


def read_card(service: str) -> Moves[Card]:
    """Read a service's card and its forecast."""
    told, forecast = yield from ask_all(
        [ToolCall(tool, {"service": service}) for tool in ("service_card", "traffic_forecast")], str
    )
    card: dict[str, Any] = yaml.safe_load(told)
    lines = forecast.splitlines()[1:]
    sign, hours, minutes = re.fullmatch(r"UTC([+-])(\d\d):(\d\d)", card["time_zone"]).groups()  # pyright: ignore[reportOptionalMemberAccess]
    ahead = timedelta(hours=int(hours), minutes=int(minutes))
    return Card(
        service=service,
        ahead=-ahead if sign == "-" else ahead,
        tier=card["tier"],
        calls=card["calls"],
        objective=card["objective"],
        errors_left=card["error_budget_left_requests"],
        detection=timedelta(minutes=card["alert_fires_after_minutes"]),
        rps={test["image"]: test["requests_per_second_per_pod"] for test in card["load_tests"]},
        memory_mib={
            test["image"]: int(test["memory_p99"].removesuffix("Mi")) for test in card["load_tests"]
        },
        forecast={
            datetime.fromisoformat(hour): int(rps) for hour, rps in (line.split() for line in lines)
        },
    )


def read_calendar(
    namespace: str, text: str, *, critical: bool
) -> Iterator[tuple[datetime, datetime]]:
    """Yield when the calendar forbids a release in a namespace."""
    for line in text.splitlines()[1:]:
        start, end, kind, strictness, concerns, _ = _GAP.split(line.strip(), maxsplit=5)
        passed = critical and kind == "freeze" and strictness == "soft"
        if concerns in ("everybody", namespace) and not passed:
            yield datetime.fromisoformat(start), datetime.fromisoformat(end)


def _the(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    found = pattern.search(text)
    if found is None:
        raise ValueError(f"No document says {pattern.pattern!r}.")
    return found.groups()
