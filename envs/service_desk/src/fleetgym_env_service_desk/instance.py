"""Makes one day of the desk: its services, changes and tickets, and which of them belong together.

A ticket of the outage has three traits: it quotes the error code of the outage, it was opened after
the change, and it is open. The change that caused it is the last one of the service that was in
force when the first of them was opened. Each look-alike lacks exactly one of these.
"""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from fleetgym_env_service_desk.words import (
    COMPLAINTS,
    FAULTS,
    FIRST_NAMES,
    HANDBOOK,
    LAST_NAMES,
    QUESTIONS,
    SERVICES,
    TEAMS,
    TWEAKS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym.contracts.scenario import Scenario

__all__ = ["generate"]

_FIRST_DAY = datetime(2026, 1, 5, tzinfo=UTC)
_PRIORITY_1_FROM = 4
_SHIFT_H = 8


def generate(scenario: Scenario, seed: int, directory: Path) -> tuple[str, Mapping[str, Any]]:
    """Write ``desk.json``; return the prompt and the truth."""
    rng = random.Random(f"{scenario.id} {seed}")  # noqa: S311 - reproducible, not secret
    day = _Day(rng)
    low, high = scenario.parameters["affected"]
    truth = day.break_down(rng.randint(low, high))
    day.fill(scenario.parameters["noise"])
    truth |= day.number()
    (directory / "desk.json").write_text(json.dumps(day.desk(), indent=1))
    prompt = scenario.prompt.format(now=_text(day.now), since=_text(day.since))
    return prompt, truth


class _Day:
    """A desk in the making."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        start = _FIRST_DAY + timedelta(days=rng.randrange(300), hours=rng.randint(7, 10))
        self.since = start + timedelta(minutes=rng.randrange(60))
        self.now = self.since + timedelta(minutes=rng.randint(90, 170))
        self.people = [f"{first} {last}" for first in FIRST_NAMES for last in LAST_NAMES]
        rng.shuffle(self.people)
        names = rng.sample(sorted(SERVICES), 10)
        self.services = {name: self._service(name, names) for name in names}
        self.codes = {
            f"{SERVICES[name]}-{number}": {"service": name, "meaning": meaning}
            for name in names
            for number, meaning in zip(
                rng.sample(range(400, 600), 2), rng.sample(FAULTS, 2), strict=True
            )
        }
        self.rota = {
            team: {"team": team, "shifts": self._shifts()}
            for team in sorted({one["owner"] for one in self.services.values()})
        }
        self.changes: list[dict[str, Any]] = []
        self.tickets: list[dict[str, Any]] = []
        self.outage: list[dict[str, Any]] = []
        """Those of the tickets that the outage explains."""

    def break_down(self, affected: int) -> dict[str, Any]:
        """Let a change break a service, and with it others; return the truth but for numbers."""
        rng = self.rng
        root, *others = rng.sample(sorted(self.services), affected)
        for name in others:
            self.services[name]["uses"] = sorted({*self.services[name]["uses"], root})
        self.root = root
        self.code = rng.choice([code for code in self.codes if self.codes[code]["service"] == root])
        first = self.since + timedelta(minutes=rng.randint(1, 8))
        self.cause = self._change(root, first - timedelta(minutes=rng.randint(6, 40)))
        self._change(root, first - timedelta(minutes=rng.randint(300, 900)))
        undone = self._change(root, first - timedelta(minutes=rng.randint(3, 5)))
        undone["rolled_back"] = _text(first - timedelta(minutes=1))
        self._change(root, first + timedelta(minutes=rng.randint(5, 30)))
        self._report([root, *others], first)
        return {
            "service": root,
            "code": self.code,
            "priority": "P1" if affected >= _PRIORITY_1_FROM else "P2",
            "assignee": self._on_call(self.services[root]["owner"]),
        }

    def fill(self, noise: int) -> None:
        """Add what has nothing to do with the outage, and what only looks as if it had."""
        rng = self.rng
        other_codes = [code for code in self.codes if code != self.code]
        for number in range(noise):
            service = rng.choice(sorted(self.services))
            complaint = rng.choice(COMPLAINTS)
            match number % 5:
                case 0:  # the same code, before
                    before = self.since - timedelta(minutes=rng.randint(180, 4000))
                    self._ticket(before, service, complaint, self.code)
                case 1:  # the same code, but settled
                    settled = self._ticket(self._meanwhile(), service, complaint, self.code)
                    settled["status"] = "closed"
                    settled["body"] += " Closed: a drill of the alerting."
                case 2 | 3:  # another code
                    self._ticket(self._meanwhile(), service, complaint, rng.choice(other_codes))
                case _:  # no code at all
                    self._ticket(self._meanwhile(), service, rng.choice(QUESTIONS), "")
        for service in sorted(self.services.keys() - {self.root}):
            for _ in range(rng.randint(0, 2)):
                self._change(service, self.now - timedelta(minutes=rng.randint(1, 5000)))

    def number(self) -> dict[str, Any]:
        """Give tickets and changes their numbers, by time; return those that belong together."""
        for kind, prefix in ((self.tickets, "T"), (self.changes, "CHG")):
            start = self.rng.randint(100, 900)
            kind.sort(key=lambda one: one.get("opened") or one["at"])
            for number, one in enumerate(kind, start):
                one["id"] = f"{prefix}-{number:04}"
        explained = {ticket["id"] for ticket in self.outage}
        return {
            "cause": self.cause["id"],
            "tickets": sorted(explained),
            "others": sorted({ticket["id"] for ticket in self.tickets} - explained),
        }

    def desk(self) -> dict[str, Any]:
        """Return what the server reads: all of the day, and nothing of what belongs together."""
        return {
            "handbook": HANDBOOK,
            "services": self.services,
            "error_codes": {code: {"code": code, **one} for code, one in self.codes.items()},
            "rota": self.rota,
            "changes": {change["id"]: change for change in self.changes},
            "tickets": {ticket["id"]: ticket for ticket in self.tickets},
        }

    def _service(self, name: str, names: list[str]) -> dict[str, Any]:
        others = [other for other in names if other != name]
        uses = sorted(self.rng.sample(others, self.rng.randint(0, 2)))
        return {"name": name, "owner": self.rng.choice(TEAMS), "uses": uses}

    def _shifts(self) -> list[dict[str, str]]:
        start = self.now.replace(hour=0, minute=0) - timedelta(days=1)
        times = [start + timedelta(hours=_SHIFT_H * index) for index in range(10)]
        return [
            {"from": _text(begin), "to": _text(end), "person": self.people.pop()}
            for begin, end in pairwise(times)
        ]

    def _on_call(self, team: str) -> str:
        now = _text(self.now)
        shifts = self.rota[team]["shifts"]
        return next(s["person"] for s in shifts if s["from"] <= now < s["to"])

    def _change(self, service: str, at: datetime) -> dict[str, Any]:
        change = {
            "id": "",
            "at": _text(at),
            "service": service,
            "summary": self.rng.choice(TWEAKS),
            "by": self.rng.choice(self.people),
            "rolled_back": None,
        }
        self.changes.append(change)
        return change

    def _report(self, services: list[str], first: datetime) -> None:
        """Open tickets of the outage: the first one when it is said, of each service some."""
        for index, service in enumerate(services):
            for turn in range(self.rng.randint(3, 4)):
                at = first if index == turn == 0 else self._meanwhile(after=first)
                complaint = self.rng.choice(COMPLAINTS)
                self.outage.append(self._ticket(at, service, complaint, self.code))

    def _ticket(self, at: datetime, service: str, complaint: str, code: str) -> dict[str, Any]:
        shown = f" The page shows {code}." if code else ""
        ticket = {
            "id": "",
            "opened": _text(at),
            "service": service,
            "status": "open",
            "subject": f"{service}: {complaint.lower()}",
            "error": code,
            "body": f"{complaint} in {service} for {self.rng.choice(self.people)}.{shown}",
        }
        self.tickets.append(ticket)
        return ticket

    def _meanwhile(self, after: datetime | None = None) -> datetime:
        begin = after or self.since
        seconds = (self.now - begin) / timedelta(seconds=1)
        return begin + timedelta(seconds=self.rng.uniform(60, seconds))


def _text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%MZ")
