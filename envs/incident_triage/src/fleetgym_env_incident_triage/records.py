"""Entries of calendar and inventory: those that cover an act, and those that come close."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fleetgym_env_incident_triage.acts.rules import RULES
from fleetgym_env_incident_triage.desk import Card, Change
from fleetgym_estate.drawing import one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetgym_env_incident_triage.acts.act import Act, Rule
    from fleetgym_env_incident_triage.cast import Cast

__all__ = ["Records"]

_STATUSES = ("rejected", "cancelled", "requested")


@dataclass(frozen=True, slots=True)
class Records:
    """Draws entries."""

    cast: Cast
    numbers: Iterator[int]
    """In no order, so that an entry's number does not say what it was drawn for."""

    def covering(self, act: Act, rule: Rule, kind: str) -> Change:
        """Return an approved entry that covers the act."""
        rng = self.cast.rng
        start = _rounded(act.at - timedelta(minutes=int(rng.integers(10, 90))))
        end = _rounded(act.at + timedelta(minutes=int(rng.integers(25, 200))))
        return Change(
            id=f"CHG-{next(self.numbers)}",
            kind=kind,
            status="approved",
            asset=act.target,
            account=act.account,
            origin=act.origin,
            activity=rule.activity,
            start=start,
            end=end,
        )

    def gateway(self, address: str, retired: str = "") -> Card:
        """Return a gateway's card."""
        name = f"{one(self.cast.rng, ('vpn', 'nat', 'proxy'))}-egress-{next(self.numbers)}"
        return Card(name=name, kind="gateway", address=address, retired=retired)

    def owners(self, act: Act) -> Change:
        """Return an entry for what the account's owner would do, from a usual address."""
        rng = self.cast.rng
        entry = self.covering(act, RULES[act.rule], one(rng, ("change", "change", "drill")))
        app = self.cast.estate.application_by_id.get(act.account)
        app = app or self.cast.estate.application_by_object_id.get(act.account)
        usual = app.ips if app else self.cast.desk.workstations(act.account)
        return replace(entry, origin=one(rng, usual or (one(rng, self.cast.estate.hosts).ip,)))

    def near_miss(self, act: Act) -> Change:
        """Return an entry that covers all of an act but one thing."""
        rng, rule = self.cast.rng, RULES[act.rule]
        entry = self.covering(act, rule, one(rng, ("change", "change", "drill")))
        others = [known for name, known in RULES.items() if name != rule.name]
        shift = one(rng, (-26, -24, -5, -4, 5, 24, 26))
        hours = timedelta(hours=shift)
        options: tuple[Change, ...] = (
            replace(entry, status=one(rng, _STATUSES)),
            replace(entry, status=one(rng, _STATUSES)),
            replace(entry, start=entry.start + hours, end=entry.end + hours),
            replace(entry, start=entry.start + hours, end=entry.end + hours),
            replace(entry, account=self.cast.account(rule)) if rule.entity == "asset" else entry,
            replace(entry, origin=self.cast.origin(rule, act.account)),
            replace(entry, activity=one(rng, [r.activity for r in others])),
            replace(
                entry, asset=self.cast.asset(rule)[0] or one(rng, self.cast.estate.employees).upn
            ),
        )
        chosen = one(rng, options)
        if chosen.covers(act, rule):
            return replace(entry, status=one(rng, _STATUSES))
        return chosen


def _rounded(at: datetime) -> datetime:
    """Return the five minutes that ``at`` lies in."""
    return at.replace(minute=at.minute - at.minute % 5, second=0, microsecond=0)
