"""What the security desk knows: calendar, inventory, contacts; and what follows from it.

:meth:`Desk.judge` is the table of the runbook ``deciding-a-verdict``. Instances are drawn so that
it gives each alert the verdict that was meant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fleetgym_env_incident_triage.acts.act import Act, Rule
    from fleetgym_estate.estate import Estate

__all__ = ["VERDICT_OF", "Card", "Change", "Desk"]

VERDICT_OF: Mapping[str, str] = {
    "malicious_activity": "true_positive",
    "approved_change": "benign_positive",
    "emergency_drill": "benign_positive",
    "sanctioned_scan": "benign_positive",
    "routine_work": "benign_positive",
    "incorrect_logic": "false_positive",
    "inaccurate_data": "false_positive",
}
"""Verdict by reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An entry of the calendar."""

    id: str
    kind: str
    """change or drill."""

    status: str
    """approved, rejected, cancelled or requested."""

    asset: str
    account: str
    origin: str
    activity: str
    start: datetime
    end: datetime

    def covers(self, act: Act, rule: Rule) -> bool:
        """Say whether it allows the act."""
        return (
            self.status == "approved"
            and self.asset.lower() == act.target.lower()
            and self.account.lower() == act.account.lower()
            and self.origin == act.origin
            and self.activity == rule.activity
            and self.start <= act.at
            and act.at + _LONGEST <= self.end
        )

    def to_json(self) -> dict[str, str]:
        """Return it as the calendar shows it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "status": self.status,
            "asset": self.asset,
            "account": self.account,
            "origin": self.origin,
            "activity": self.activity,
            "start": f"{self.start:%Y-%m-%dT%H:%MZ}",
            "end": f"{self.end:%Y-%m-%dT%H:%MZ}",
        }


_LONGEST = timedelta(minutes=6)
"""No act takes longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A gateway or a scanner in the inventory."""

    name: str
    kind: str
    """gateway or scanner."""

    address: str
    retired: str = ""
    """The day, or empty."""

    account: str = ""
    """The scanner's own."""

    hours: tuple[int, int] = (0, 24)
    """When the scanner works, in UTC."""

    def to_json(self) -> dict[str, Any]:
        """Return it as the inventory shows it."""
        card: dict[str, Any] = {"name": self.name, "addresses": [self.address], "kind": self.kind}
        card["status"] = f"retired on {self.retired}" if self.retired else "in service"
        if self.kind == "scanner":
            first, last = self.hours
            card |= {"account": self.account, "hours_utc": f"{first:02d}:00-{last:02d}:00"}
        return card


@dataclass(slots=True)
class Desk:
    """One instance's desk, while it is drawn."""

    estate: Estate
    changes: list[Change] = field(default_factory=list[Change])
    cards: list[Card] = field(default_factory=list[Card])
    environment: dict[str, str] = field(default_factory=dict[str, str])
    """production or development, by asset."""

    owner: dict[str, str] = field(default_factory=dict[str, str])
    """Account by asset."""

    def judge(self, act: Act, rule: Rule) -> str:
        """Return the reason of the right verdict."""
        if not act.effective:
            return "incorrect_logic"
        card = next((c for c in self.cards if c.address == act.origin and not c.retired), None)
        if card and card.kind == "gateway" and rule.about_origins:
            return "inaccurate_data"
        if card and card.kind == "scanner" and card.account == act.account:
            first, last = card.hours
            if first <= act.at.hour and (act.at + _LONGEST).hour < last:
                return "sanctioned_scan"
        kinds = {change.kind for change in self.changes if change.covers(act, rule)}
        if kinds:
            return "approved_change" if "change" in kinds else "emergency_drill"
        own = self.owner.get(act.asset) == act.account
        known = act.origin in self.workstations(act.account)
        if self.environment.get(act.asset) == "development" and own and known:
            return "routine_work"
        return "malicious_activity"

    def workstations(self, account: str) -> tuple[str, ...]:
        """Return the addresses of the person's own machine: in the network, and outside."""
        estate = self.estate
        user = estate.linux_user_by_name.get(account)
        person = estate.employee_by_upn.get(user.upn if user else account)
        if person is None:
            return ()
        inside = [u.workstation_ip for u in estate.linux_users if u.upn == person.upn]
        return (*inside, person.ips[0])

    def to_json(self) -> dict[str, Any]:
        """Return calendar, inventory and contacts as the tools read them."""
        changes = sorted(self.changes, key=lambda change: (change.start, change.id))
        return {
            "changes": [change.to_json() for change in changes],
            "assets": [*self._assets(), *(card.to_json() for card in self.cards)],
            "contacts": self._contacts(),
        }

    def _assets(self) -> list[dict[str, Any]]:
        estate = self.estate
        kinds: list[tuple[str, str, list[str], str]] = [
            *((host.name, "server", [host.ip], host.role) for host in estate.hosts),
            *((c.name, "cluster", [], "AKS") for c in estate.clusters),
            *((v.name, "key vault", [], "secrets") for v in estate.key_vaults),
            *((a.name, "storage account", [], "blobs") for a in estate.storage_accounts),
        ]
        found: list[dict[str, Any]] = [
            {
                "name": name,
                "addresses": addresses,
                "kind": kind,
                "purpose": purpose,
                "environment": self.environment[name],
                "owner": self.owner[name],
            }
            for name, kind, addresses, purpose in kinds
        ]
        found += [
            {
                "name": app.display_name,
                "addresses": [app.app_id, app.object_id],
                "kind": "application",
                "app_id": app.app_id,
                "object_id": app.object_id,
                "owner": app.owner_upn,
                "usual_origins": list(app.ips),
            }
            for app in estate.applications
        ]
        return found

    def _contacts(self) -> list[dict[str, Any]]:
        linux = {user.upn: user.name for user in self.estate.linux_users}
        return [
            {
                "name": person.display_name,
                "accounts": [person.upn, *([linux[person.upn]] if person.upn in linux else [])],
                "team": person.department,
                "workstation": list(self.workstations(person.upn)),
                "other_usual_addresses": list(person.ips[1:]),
            }
            for person in self.estate.employees
        ]
