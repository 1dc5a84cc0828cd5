"""What every hunt needs: finding the report, asking the telemetry, handing in the detection."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from fleetgym.contracts.policy import Moves, together
from fleetgym.contracts.tools import SUBMIT, ToolCall

__all__ = [
    "Detection",
    "Hunt",
    "Report",
    "Row",
    "Rule",
    "find_report",
    "hand_in",
    "kql",
    "kql_list",
    "kql_text",
    "look_at",
    "objective",
]

Row: TypeAlias = Mapping[str, Any]
"""A row as the query tool returned it."""

_OBJECTIVE = re.compile(r"DETECTION OBJECTIVE:\s*(.+?)(?:\n\s*\n|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A threat report, as it was retrieved."""

    id: str
    title: str
    tags: Sequence[str]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A Sigma rule in the making."""

    title: str
    description: str
    logsource: Mapping[str, str]
    detection: Mapping[str, Any]
    """Selections and ``condition``."""

    tactics: Sequence[str]
    """As Sigma's tags have them, for example ``persistence``."""

    techniques: Sequence[str]
    """As in ``T1053.003``."""

    level: str = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What a hunt comes to."""

    query: str
    results: Sequence[Row]
    rule: Rule


Hunt: TypeAlias = Moves[Detection]


def objective(prompt: str) -> str:
    """Return the objective in a prompt, however it was wrapped; all of it when there is none."""
    found = _OBJECTIVE.search(prompt)
    return " ".join((found.group(1) if found else prompt).split())


def find_report(wanted: str, known: Collection[str]) -> Moves[Report | None]:
    """Search for the report that fits the objective and retrieve it by its rarest tag.

    Args:
        wanted: The objective.
        known: Ids of the reports that there is a hunt for; the best match among them is taken.

    Returns:
        None when reports cannot be had here.
    """
    tags = yield ToolCall("list_cti_report_tags")
    if tags.is_error:
        return None
    counts = json.loads(tags.content)["tag_counts"]
    found = json.loads(
        (yield ToolCall("search_cti_reports", {"query": wanted, "limit": 10})).content
    )
    best = next(entry for entry in found["reports"] if entry["id"] in known)
    tag = min(best["tags"], key=lambda name: (counts.get(name, 0), name))
    retrieved = json.loads((yield ToolCall("get_cti_reports_by_tag", {"tag": tag})).content)
    record = next(entry for entry in retrieved if entry["id"] == best["id"])
    return Report(
        id=record["id"], title=record["title"], tags=record["tags"], content=record["content"]
    )


def look_at(*tables: str) -> Moves[None]:
    """List the tables, look at the newest rows of the first and the schema of all worth it."""
    time = "Timestamp" if tables[0].startswith("Device") else "TimeGenerated"
    yield from together(
        [
            ToolCall("list_kusto_tables"),
            ToolCall("execute_kql_query", {"query": f"{tables[0]} | top 3 by {time} desc"}),
            *(ToolCall("get_table_schema", {"table_name": table}) for table in tables),
        ]
    )


def kql(query: str) -> Moves[list[Row]]:
    """Run a query and return its rows, at most ten."""
    answer = json.loads((yield ToolCall("execute_kql_query", {"query": query})).content)
    table = answer["Tables"][0]
    names = [column["ColumnName"] for column in table["Columns"]]
    return [dict(zip(names, values, strict=True)) for values in table["Rows"]]


def kql_text(value: str) -> str:
    """Return ``value`` as a string literal of KQL."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def kql_list(values: Sequence[str]) -> str:
    """Return ``values`` as a list for KQL's ``in``."""
    return f"({', '.join(map(kql_text, values))})"


def hand_in(detection: Detection) -> Moves[None]:
    """Validate the answer's form and submit it."""
    answer = json.dumps(
        {
            "sigma_rule": _sigma(detection.rule),
            "kql_query": detection.query,
            "query_results": list(detection.results),
        }
    )
    yield ToolCall("validate_output_json", {"json_output": answer})
    yield ToolCall(SUBMIT, {"answer": answer})


def _sigma(rule: Rule) -> str:
    """Return the rule as YAML, with an id that is its own."""
    content = {
        "title": rule.title,
        "status": "experimental",
        "description": rule.description,
        "author": "fleetgym reference policy",
        "tags": [
            *(f"attack.{tactic}" for tactic in rule.tactics),
            *(f"attack.{technique.lower()}" for technique in rule.techniques),
        ],
        "logsource": dict(rule.logsource),
        "detection": dict(rule.detection),
        "falsepositives": ["Administration that the report describes as benign"],
        "level": rule.level,
    }
    own = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return yaml.safe_dump({"title": rule.title, "id": str(own), **content}, sort_keys=False)
