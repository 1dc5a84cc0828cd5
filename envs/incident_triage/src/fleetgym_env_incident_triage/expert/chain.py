"""Following an incident from its true alerts, and putting its stages in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleetgym_env_incident_triage.expert.craft import kql, kql_list, kql_text, listed, moment
from fleetgym_env_incident_triage.expert.sources import SOURCES, families, together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.policy import Moves
    from fleetgym_env_incident_triage.expert.craft import Row
    from fleetgym_env_incident_triage.expert.verdicts import Decided

__all__ = ["Found", "follow"]

_MOST_EVIDENCE = 4
_MOST_ROWS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A stage."""

    technique: str
    account: str
    asset: str
    evidence: Sequence[Mapping[str, str]]

    @property
    def time(self) -> str:
        """When its first row happened."""
        return self.evidence[0]["time"]

    def to_json(self) -> dict[str, Any]:
        """Return it as the report has it."""
        return {
            "technique": self.technique,
            "time": self.time,
            "evidence": list(self.evidence[:_MOST_EVIDENCE]),
        }


def follow(decided: Sequence[Decided], company: str) -> Moves[list[Found]]:
    """Return the stages of the incident, in the order in which they began."""
    true = [d for d in decided if d.verdict == "true_positive"]
    if not true:
        return []
    outside = {d.origin for d in true if not d.origin.startswith("10.")}
    pairs = {(d.account, d.origin) for d in true if d.origin.startswith("10.")}
    conditions = [f"Origin in {kql_list(outside)}"] if outside else []
    conditions += [
        f"(Account == {kql_text(account)} and Origin == {kql_text(origin)})"
        for account, origin in sorted(pairs)
    ]
    ways = " or ".join(conditions)
    stages: list[Found] = []
    for rules in families(SOURCES):
        rows = yield from _acts(rules, company, ways)
        if len(rows) == _MOST_ROWS:
            parts: list[Row] = []
            for rule in rules:
                parts += yield from _acts([rule], company, ways)
            rows = parts
        stages += [_stage(row) for row in rows if row["Effects"]]
    return sorted(stages, key=lambda stage: moment(stage.time))


def _acts(rules: Sequence[str], company: str, ways: str) -> Moves[list[Row]]:
    """Return what came by these ways, an act a row."""
    rows = yield from kql(
        f"{together(rules, company)}\n| where {ways}\n| order by Time asc\n"
        '| summarize Effects = countif(Effect), Rows = make_list(strcat(tostring(Time), "|", '
        'Id, "|", Source)), Details = make_list(Detail) by Rule, Account, Origin, Asset'
    )
    return rows


def _stage(row: Row) -> Found:
    cited = sorted(line.split("|") for line in listed(row["Rows"]))
    source = SOURCES[row["Rule"]]
    return Found(
        technique=source.technique(listed(row["Details"])),
        account=row["Account"],
        asset=row["Asset"] if source.has_asset else "",
        evidence=[{"time": time, "id": record, "table": table} for time, record, table in cited],
    )
