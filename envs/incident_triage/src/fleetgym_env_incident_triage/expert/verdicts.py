"""Deciding alerts: who did what from where, and what the desk knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fleetgym_env_incident_triage.expert.craft import (
    Moves,
    ask,
    kql,
    kql_list,
    kql_text,
    moment,
    within,
)
from fleetgym_env_incident_triage.expert.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Decided", "company_of", "decide"]

_VERDICT_OF = {
    "malicious_activity": "true_positive",
    "incorrect_logic": "false_positive",
    "inaccurate_data": "false_positive",
}

_SAME = timedelta(milliseconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """An alert, what happened, and what to call it."""

    alert: Mapping[str, Any]
    account: str
    origin: str
    asset: str
    reason: str

    @property
    def verdict(self) -> str:
        """What follows from the reason."""
        return _VERDICT_OF.get(self.reason, "benign_positive")


def decide(alerts: Sequence[Mapping[str, Any]]) -> Moves[list[Decided]]:
    """Return every alert decided, in the order of the queue."""
    changes: list[Mapping[str, Any]] = []
    page, pages = 1, 1
    while page <= pages:
        answer = yield from ask("list_changes", page=page)
        changes += answer["changes"]
        page, pages = page + 1, answer["pages"]
    domain = yield from company_of()
    assets: dict[str, Any] = {}
    found: dict[str, Decided] = {}
    for rule in dict.fromkeys(alert["rule"] for alert in alerts):
        mine = [alert for alert in alerts if alert["rule"] == rule]
        query = SOURCES[rule].query.replace("{company}", kql_text(domain))
        facts = yield from _facts(query, mine)
        for alert in mine:
            fact = facts[alert["id"]]
            reason = yield from _reason(rule, alert, fact, changes, assets)
            found[alert["id"]] = Decided(
                alert=alert,
                account=fact["Account"],
                origin=fact["Origin"],
                asset=fact["Asset"],
                reason=reason,
            )
    return [found[alert["id"]] for alert in alerts]


def company_of() -> Moves[str]:
    """Return the domain that most people sign in under."""
    rows = yield from kql(
        "SignInLogs\n| summarize People = dcount(UserPrincipalName) "
        'by Domain = tostring(split(UserPrincipalName, "@")[1])\n| top 1 by People desc'
    )
    return rows[0]["Domain"]


def _facts(query: str, alerts: Sequence[Mapping[str, Any]]) -> Moves[dict[str, Any]]:
    """Return account, origin, asset and effect by alert id."""
    samples = kql_list(alert["sample"]["id"] for alert in alerts)
    rows = yield from kql(f"{query}\n| where Id in {samples}\n| order by Time asc")
    found: dict[str, dict[str, Any]] = {}
    for alert in alerts:
        at = moment(alert["sample"]["time"])
        same = [row for row in rows if row["Id"] == alert["sample"]["id"]]
        row = next(r for r in same if abs(moment(r["Time"]) - at) < _SAME)
        found[alert["id"]] = dict(row)
    acts = " or ".join(
        f"(Account == {kql_text(found[a['id']]['Account'])}"
        f" and Origin == {kql_text(found[a['id']]['Origin'])}"
        f" and {within('Time', a['first_event'], a['last_event'])})"
        for a in alerts
    )
    effects = yield from kql(
        f"{query}\n| where {acts}\n| summarize Effects = countif(Effect), Rows = count(), "
        "First = min(Time), Last = max(Time) by Account, Origin, Asset"
    )
    for alert in alerts:
        fact = found[alert["id"]]
        same = ("Account", "Origin", "Asset")
        fact["Effects"] = sum(
            row["Effects"] for row in effects if all(row[name] == fact[name] for name in same)
        )
        if alert["rule"] == "linux-outbound-copy":
            fact["Effects"] = sum(
                row["Effects"] == row["Rows"]
                for row in effects
                if all(row[name] == fact[name] for name in same)
            )
    return found


def _reason(
    rule: str,
    alert: Mapping[str, Any],
    fact: Mapping[str, Any],
    changes: Sequence[Mapping[str, Any]],
    assets: dict[str, Any],
) -> Moves[str]:
    """Return the reason, by the first line of the runbook's table that holds."""
    if not fact["Effects"]:
        return "incorrect_logic"
    card = yield from _asset(fact["Origin"], assets)
    serving = card.get("status") == "in service"
    if serving and card["kind"] == "gateway" and SOURCES[rule].about_origins:
        return "inaccurate_data"
    if serving and card["kind"] == "scanner" and card["account"] == fact["Account"]:
        first, last = (int(part[:2]) for part in card["hours_utc"].split("-"))
        if first <= moment(alert["first_event"]).hour and moment(alert["last_event"]).hour < last:
            return "sanctioned_scan"
    kinds = {c["kind"] for c in changes if _covers(c, rule, alert, fact)}
    if kinds:
        return "approved_change" if "change" in kinds else "emergency_drill"
    if SOURCES[rule].has_asset and (yield from _routine(fact, assets)):
        return "routine_work"
    return "malicious_activity"


def _covers(
    change: Mapping[str, Any], rule: str, alert: Mapping[str, Any], fact: Mapping[str, Any]
) -> bool:
    return (
        change["status"] == "approved"
        and change["asset"].lower() in {str(alert["entity"]).lower(), fact["Asset"].lower()}
        and change["account"].lower() == fact["Account"].lower()
        and change["origin"] == fact["Origin"]
        and change["activity"] == SOURCES[rule].activity
        and moment(change["start"].replace("Z", ":00")) <= moment(alert["first_event"])
        and moment(alert["last_event"]) <= moment(change["end"].replace("Z", ":00"))
    )


def _routine(fact: Mapping[str, Any], assets: dict[str, Any]) -> Moves[bool]:
    card = yield from _asset(fact["Asset"], assets)
    if card.get("environment") != "development":
        return False
    if card["owner"].lower() != fact["Account"].lower():
        return False
    contact = yield from ask("get_contact", account=fact["Account"])
    return contact is not None and fact["Origin"] in contact.get("workstation", ())


def _asset(name: str, known: dict[str, Any]) -> Moves[Any]:
    if name not in known:
        card = yield from ask("get_asset", name=name)
        known[name] = card or {}
    return known[name]
