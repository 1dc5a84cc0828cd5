"""Ways to seek a score in CtiRealm-v1 without hunting."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml

from fleetgym.contracts.errors import PlanLost
from fleetgym.contracts.policy import Adversary
from fleetgym.contracts.tools import SUBMIT, ToolCall
from fleetgym_env_cti_realm.expert import craft

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetgym.contracts.episode import Brief
    from fleetgym.contracts.policy import Moves, Plan
    from fleetgym.contracts.scenario import Budget
    from fleetgym_env_cti_realm.expert.craft import Row

__all__ = ["ADVERSARIES"]

_TAGS = 6
_TACTICS = ("Persistence", "Credential Access", "Privilege Escalation", "Collection")
_TECHNIQUE = re.compile(r"\bT\d{4}(?:\.\d{3})?\b")
_SOURCES = (
    ("Device", {"product": "linux", "category": "process_creation"}),
    ("AKS", {"product": "kubernetes", "service": "audit"}),
    ("Office", {"product": "m365", "service": "exchange"}),
    ("SignIn", {"product": "azure", "service": "signinlogs"}),
    ("Activity", {"product": "azure", "service": "activitylogs"}),
    ("Audit", {"product": "azure", "service": "auditlogs"}),
)


def _everything(brief: Brief, budget: Budget, seed: int) -> Plan:
    """Read all that there is room for, and name all tables and techniques that were seen."""
    del seed
    tags = json.loads((yield ToolCall("list_cti_report_tags")).content)["available_tags"]
    looks = [ToolCall("get_cti_reports_by_tag", {"tag": tag}) for tag in tags[:_TAGS]]
    looks += [ToolCall("search_mitre_techniques", {"tactic": tactic}) for tactic in _TACTICS]
    seen = ""
    for look in looks:
        seen += (yield look).content
    tables = yield from _tables()
    for table in tables:
        yield ToolCall("get_table_schema", {"table_name": table})
    rows: list[Row] = []
    for table in tables[: budget.steps - len(tables) - len(looks) - 3]:
        rows += yield from craft.kql(f"{table} | take 10")
    techniques = sorted(set(_TECHNIQUE.findall(seen)))
    yield _hand_in(f"union {', '.join(tables)}", rows, brief.task, techniques)


def _no_hunt(brief: Brief, budget: Budget, seed: int) -> Plan:
    """Do all that the telemetry is not needed for, and hand in the newest rows of a table."""
    del budget, seed
    tables, techniques = yield from _prepare(brief)
    query = f"{tables[-1]} | top 10 by {_time(tables[-1])} desc"
    yield from craft.kql(f"{tables[-1]} | take 10")
    yield _hand_in(query, (yield from craft.kql(query)), tables[-1], techniques)


def _where_true(brief: Brief, budget: Budget, seed: int) -> Plan:
    """Do all that the telemetry is not needed for, and hand in all rows of a table."""
    del budget, seed
    tables, techniques = yield from _prepare(brief)
    yield from craft.kql(f"{tables[0]} | take 10")
    rows = yield from craft.kql(f"{tables[0]} | where true")
    yield _hand_in(f"{tables[0]} | where true", rows, tables[0], techniques)


def _prepare(brief: Brief) -> Moves[tuple[Sequence[str], Sequence[str]]]:
    """Retrieve the report that fits best, open its tables, return these and its techniques.

    A report that names no table is about devices.
    """
    wanted = craft.objective(brief.task)
    answer = (yield ToolCall("search_cti_reports", {"query": wanted})).content
    found = json.loads(answer)["reports"]
    report = yield from craft.find_report(wanted, known={entry["id"] for entry in found})
    if report is None:
        raise PlanLost("No report can be had.")
    tables = yield from _tables()
    named = [table for table in tables if table in report.content]
    opened = named or [table for table in tables if table.startswith("Device")]
    for table in opened:
        yield ToolCall("get_table_schema", {"table_name": table})
    best = next(entry for entry in found if entry["id"] == report.id)
    return opened, best["techniques"]


def _tables() -> Moves[list[str]]:
    answer = json.loads((yield ToolCall("list_kusto_tables")).content)
    return [str(row[0]) for row in answer["Tables"][0]["Rows"]]


def _time(table: str) -> str:
    return "Timestamp" if table.startswith("Device") else "TimeGenerated"


def _hand_in(query: str, rows: Sequence[Row], hint: str, techniques: Sequence[str]) -> ToolCall:
    """Submit a query, rows, and a rule that matches all of the first source that fits the hint."""
    source = next((source for word, source in _SOURCES if word in hint), _SOURCES[0][1])
    rule: dict[str, Any] = {
        "title": "Anything at All",
        "id": "6e1b0f5e-2f6c-4b63-9a59-0c2f8f6f2a11",
        "status": "experimental",
        "description": "Fires on every event of its source.",
        "author": "nobody",
        "tags": [f"attack.{technique.lower()}" for technique in techniques],
        "logsource": source,
        "detection": {"all": {f"{_time(hint)}|contains": ""}, "condition": "all or not all"},
        "level": "low",
    }
    answer = {
        "sigma_rule": yaml.safe_dump(rule, sort_keys=False),
        "kql_query": query,
        "query_results": list(rows) or [{"none": "none"}],
    }
    return ToolCall(SUBMIT, {"answer": json.dumps(answer)})


ADVERSARIES = (
    Adversary(
        name="everything",
        summary="names all tables, all techniques it can find and all rows",
        below=0.4,
        plan=_everything,
    ),
    Adversary(
        name="no-hunt",
        summary="reads the report, opens its tables, hands in a table's newest rows",
        below=0.4,
        plan=_no_hunt,
    ),
    Adversary(
        name="where-true",
        summary="the same, with a query and a rule that match all rows of a table",
        below=0.4,
        plan=_where_true,
    ),
)
