"""Deciding alerts: who did what from where, and what the desk knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleetgym_env_incident_triage.expert.craft import (
    ask,
    batches,
    kql,
    kql_text,
    moment,
    within,
)
from fleetgym_env_incident_triage.expert.sources import SOURCES, families, together

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fleetgym.contracts.policy import Moves

__all__ = ["Decided", "company_of", "decide"]

_VERDICT_OF = {
    "malicious_activity": "true_positive",
    "incorrect_logic": "false_positive",
    "inaccurate_data": "false_positive",
}

_QUERIED = 8
"""Alerts to a query, which returns ten rows."""

_ALL_OF_IT = frozenset({"linux-outbound-copy"})
"""Rules whose acts have an effect only if all of their rows do: packing sends nothing."""


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


def decide(alerts: Sequence[Mapping[str, Any]], company: str) -> Moves[list[Decided]]:
    """Return every alert decided, in the order of the queue."""
    changes: list[Mapping[str, Any]] = []
    page, pages = 1, 1
    while page <= pages:
        answer = yield from ask("list_changes", page=page)
        changes += answer["changes"]
        page, pages = page + 1, answer["pages"]
    facts: dict[str, dict[str, Any]] = {}
    for rules in families(alert["rule"] for alert in alerts):
        mine = [alert for alert in alerts if alert["rule"] in rules]
        for part in batches(mine, _QUERIED):
            facts |= yield from _facts(part, company)
    cards = yield from _cards(facts.values())
    people = yield from _owners_at_work(facts.values(), cards)
    return [
        Decided(
            alert=alert,
            account=fact["Account"],
            origin=fact["Origin"],
            asset=fact["Asset"],
            reason=_reason(alert, fact, changes, cards, people),
        )
        for alert in alerts
        for fact in (facts[alert["id"]],)
    ]


def company_of() -> Moves[str]:
    """Return the domain that most people sign in under."""
    rows = yield from kql(
        "SignInLogs\n| summarize People = dcount(UserPrincipalName) "
        'by Domain = tostring(split(UserPrincipalName, "@")[1])\n| top 1 by People desc'
    )
    return rows[0]["Domain"]


def _facts(alerts: Sequence[Mapping[str, Any]], company: str) -> Moves[dict[str, dict[str, Any]]]:
    """Return account, origin, asset and effect by alert id."""
    query = together(list(dict.fromkeys(alert["rule"] for alert in alerts)), company)
    samples = " or ".join(
        f'(Rule == "{a["rule"]}" and Id == {kql_text(a["sample"]["id"])}'
        f" and {within('Time', a['sample']['time'], a['sample']['time'])})"
        for a in alerts
    )
    rows = yield from kql(f"{query}\n| where {samples}\n| order by Time asc")
    found: dict[str, dict[str, Any]] = {}
    for alert in alerts:
        at = moment(alert["sample"]["time"])
        mine = [row for row in rows if row["Rule"] == alert["rule"]]
        same = [row for row in mine if row["Id"] == alert["sample"]["id"]]
        found[alert["id"]] = dict(min(same, key=lambda row: abs(moment(row["Time"]) - at)))
    acts = " or ".join(
        f'(Rule == "{a["rule"]}" and Account == {kql_text(found[a["id"]]["Account"])}'
        f" and Origin == {kql_text(found[a['id']]['Origin'])}"
        f" and {within('Time', a['first_event'], a['last_event'])})"
        for a in alerts
    )
    effects = yield from kql(
        f"{query}\n| where {acts}\n"
        "| summarize Effects = countif(Effect), Rows = count() by Rule, Account, Origin, Asset"
    )
    for fact in found.values():
        fact["Effective"] = any(
            row["Effects"] == row["Rows"] if row["Rule"] in _ALL_OF_IT else row["Effects"] > 0
            for row in effects
            if all(row[name] == fact[name] for name in ("Rule", "Account", "Origin", "Asset"))
        )
    return found


def _cards(facts: Iterable[Mapping[str, Any]]) -> Moves[dict[str, Any]]:
    """Return what the inventory has of all origins and assets, by these."""
    names = [name for fact in facts for name in (fact["Origin"], fact["Asset"]) if name]
    found: dict[str, Any] = {}
    for part in batches(list(dict.fromkeys(names))):
        cards = yield from ask("get_assets", names=list(part))
        found |= dict(zip(part, cards, strict=True))
    return found


def _owners_at_work(
    facts: Iterable[Mapping[str, Any]], cards: Mapping[str, Any]
) -> Moves[dict[str, Any]]:
    """Return the contacts of accounts that acted on development assets of their own."""
    owners = [fact["Account"] for fact in facts if _owned(fact, cards)]
    found: dict[str, Any] = {}
    for part in batches(list(dict.fromkeys(owners))):
        people = yield from ask("get_contacts", accounts=list(part))
        found |= dict(zip(part, people, strict=True))
    return found


def _owned(fact: Mapping[str, Any], cards: Mapping[str, Any]) -> bool:
    card = cards.get(fact["Asset"], {})
    developed = card.get("environment") == "development"
    return developed and card["owner"].lower() == fact["Account"].lower()


def _reason(
    alert: Mapping[str, Any],
    fact: Mapping[str, Any],
    changes: Sequence[Mapping[str, Any]],
    cards: Mapping[str, Any],
    people: Mapping[str, Any],
) -> str:
    """Return the reason, by the first line of the runbook's table that holds."""
    rule = fact["Rule"]
    if not fact["Effective"]:
        return "incorrect_logic"
    card = cards[fact["Origin"]]
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
    person = people.get(fact["Account"], {})
    if _owned(fact, cards) and fact["Origin"] in person.get("workstation", ()):
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
