"""A change calendar, drawn: what stands in the way of a release, and what only seems to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fleetgym_cluster.releases.book import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

__all__ = ["closed_to", "draw_calendar"]

EVERYBODY = "everybody"
_FREEZES = ("quarterly closing", "sales event", "audit", "public holiday", "board week")
_WORKS = ("database upgrade", "network maintenance", "node pool upgrade", "certificate rotation")
_ROLLOUTS = ("rollout of {0}", "load test of {0}", "migration of {0}")


def draw_calendar(
    rng: Random, now: datetime, deadline: datetime, concerned: Sequence[str], others: Sequence[str]
) -> list[Entry]:
    """Draw entries until a day after the deadline.

    Args:
        rng: Everything is drawn from it.
        now: When the calendar begins.
        deadline: Of the release.
        concerned: Namespaces of the release.
        others: Further namespaces.
    """
    span = (deadline - now) / timedelta(hours=1)
    place = [*concerned, EVERYBODY, *others]
    found = [
        _entry(
            rng,
            now + timedelta(minutes=30 * round(2 * rng.uniform(-4, span + 24))),
            rng.choice(("freeze", "freeze", "maintenance", "rollout")),
            rng.choice(place),
        )
        for _ in range(rng.randint(8, 12))
    ]
    return sorted(found, key=lambda entry: entry.start)


def closed_to(
    entries: Iterable[Entry], namespace: str, *, critical: bool
) -> list[tuple[datetime, datetime]]:
    """Return when a release of a service in ``namespace`` has to stand still."""
    return [
        (entry.start, entry.end)
        for entry in entries
        if entry.concerns in (EVERYBODY, namespace)
        and not (critical and entry.kind == "freeze" and not entry.hard)
    ]


def _entry(rng: Random, start: datetime, kind: str, concerns: str) -> Entry:
    start = start.replace(minute=start.minute // 30 * 30)
    if kind == "freeze":
        hours, note = rng.choice((4, 6, 8, 12, 24)), rng.choice(_FREEZES)
        return Entry(
            start=start, end=start + timedelta(hours=hours), kind="freeze", concerns=concerns,
            hard=rng.random() < 0.5, note=note,
        )  # fmt: skip
    if kind == "maintenance":
        return Entry(
            start=start, end=start + timedelta(hours=rng.randint(2, 5)), kind="maintenance",
            concerns=concerns, hard=True, note=rng.choice(_WORKS),
        )  # fmt: skip
    if concerns == EVERYBODY:
        concerns = "platform"
    return Entry(
        start=start, end=start + timedelta(hours=rng.randint(1, 3)), kind="rollout",
        concerns=concerns, hard=True, note=rng.choice(_ROLLOUTS).format(f"{concerns}-jobs"),
    )  # fmt: skip
