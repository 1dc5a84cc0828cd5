"""A tiny world for tests of graders: two tables, eight attack rows, and an agent's moves in it."""

from __future__ import annotations

import json
import re
from typing import Any

from fleetgym.contracts.scoring import Step
from fleetgym.contracts.tools import SUBMIT, ToolCall, ToolResult
from fleetgym_graders.detection import DetectionTruth
from fleetgym_graders.strict import StrictGrader

__all__ = [
    "ATTACK",
    "COLUMNS",
    "REPORTS",
    "TRUTH",
    "answer",
    "execute",
    "kusto",
    "perfect",
    "read_tag",
    "row",
    "rule",
    "sandbox",
    "select",
    "step",
    "submit",
    "value",
]

COLUMNS = ("DeviceName", "FileName", "ReportId")
SIZES = {"DeviceProcessEvents": 1500, "AuditLogs": 40}
ATTACK = (3, 11, 17, 25)
TRUTH = DetectionTruth(
    report_ids=frozenset({"cron-1"}),
    report_tags={"cron-1": frozenset({"linux", "cron"})},
    techniques=frozenset({"T1053.003"}),
    tables=frozenset({"DeviceProcessEvents"}),
    rows={"DeviceProcessEvents": frozenset(ATTACK)},
    patterns={"FileName": "^crontab$", "DeviceName": r"^web-\d"},
)
REPORTS = {
    "cron": [{"id": "cron-1", "body": "…"}, {"id": "other-2", "body": "…"}],
    "linux": [{"id": "cron-1", "body": "…"}],
    "phishing": [{"id": "other-3", "body": "…"}],
}


def row(number: int) -> dict[str, Any]:
    """Return row ``number`` of either table."""
    name = "crontab" if number in ATTACK else "bash"
    return {"DeviceName": f"web-{number % 3}", "FileName": name, "ReportId": number}


def select(*numbers: int, table: str = "DeviceProcessEvents") -> str:
    """Return a query for these rows; for all of the table without any."""
    where = f" | where ReportId in ({', '.join(map(str, numbers))})" if numbers else ""
    return table + where


def _run(query: str) -> tuple[list[str], list[list[Any]], dict[str, list[int]]]:
    """Run ``A | where ReportId in (…) | project X; B …``: a union, as far as the tests need one."""
    rows: list[list[Any]] = []
    matched: dict[str, list[int]] = {}
    columns = list(COLUMNS)
    for part in query.split(";"):
        table = part.split("|")[0].strip()
        listed = re.search(r"in \(([\d, ]+)\)", part)
        ids = [int(n) for n in listed[1].split(",")] if listed else list(range(SIZES[table]))
        projected = re.search(r"project (\w+)", part)
        columns = [projected[1]] if projected else columns
        found = [[row(number)[c] for c in columns] for number in ids]
        rows += found
        given = {tuple(values) for values in found}
        matched[table] = [
            n for n in range(SIZES[table]) if tuple(row(n)[c] for c in columns) in given
        ]
    return columns, rows, matched


def sandbox(call: ToolCall) -> ToolResult:
    """Answer the hidden tools as the tool server does."""
    if call.name == "grade_kql":
        try:
            columns, rows, matched = _run(call.arguments["query"])
        except KeyError as error:
            return ToolResult(json.dumps({"ok": False, "error": f"no table {error}"}))
        found = {"columns": columns, "rows": rows[:1000], "row_count": len(rows)}
        return ToolResult(json.dumps({"ok": True, "error": "", "matched": matched, **found}))
    tags = re.findall(r"attack\.(t\d+(?:\.\d+)?)", call.arguments["rule"])
    query = call.arguments["rule"].partition("query: ")[2]
    if not query:
        return ToolResult(json.dumps({"parsed": False, "error": "no detection"}))
    _, _, matched = _run(query)
    issues = re.findall(r"(?:low|high): \w+", call.arguments["rule"])
    found = {"parsed": True, "issues": issues, "tables": ["DeviceProcessEvents"]}
    return ToolResult(json.dumps({**found, "techniques": tags, "matched": matched}))


def execute(name: str, query: str) -> Step:
    """Return the step of a query, with the ten rows that its tool shows."""
    columns, rows, _ = _run(query)
    return step(name, {"query": query}, kusto(columns, rows[:10]))


def kusto(columns: list[str], rows: list[list[Any]]) -> str:
    """Return a Kusto v1 response."""
    table = {"Columns": [{"ColumnName": c} for c in columns], "Rows": rows}
    return json.dumps({"Tables": [table]})


def step(name: str, arguments: dict[str, Any], content: str = "{}", *, error: bool = False) -> Step:
    """Return one step."""
    return Step(call=ToolCall(name, arguments), result=ToolResult(content, is_error=error))


def read_tag(tag: str) -> Step:
    """Return the step of a search by tag."""
    found = REPORTS.get(tag)
    content = json.dumps(found or {"error": f"No reports found for tag '{tag}'"})
    return step("get_cti_reports_by_tag", {"tag": tag}, content)


def rule(query: str, *tags: str, issue: str = "") -> str:
    """Return a Sigma rule of this world, with an issue that its validator finds."""
    return f"title: x {issue} {' '.join(f'attack.{tag}' for tag in tags)} query: {query}"


def answer(query: str, results: list[Any], sigma: str = rule(select(*ATTACK), "t1053.003")) -> str:
    """Return an artifact as JSON text."""
    return json.dumps({"sigma_rule": sigma, "kql_query": query, "query_results": results})


def submit(text: str, *, said: str = "") -> Step:
    """Return the step that submits ``text`` to the strict grader."""
    grader = StrictGrader()
    facts = grader.examine(grader.read(text), sandbox)
    call = ToolCall(SUBMIT, {"answer": text})
    return Step(call=call, result=ToolResult("Submitted."), facts=facts, said=said)


def perfect() -> list[Step]:
    """Return an expert's episode."""
    return [
        read_tag("cron"),
        step("get_table_schema", {"table_name": "DeviceProcessEvents"}),
        execute("execute_kql_query", select(*ATTACK, 4)),
        execute("execute_kql_query", select(*ATTACK)),
        submit(answer(select(*ATTACK), [row(n) for n in ATTACK])),
    ]


def value(steps: list[Step]) -> float:
    """Return the strict score of a trajectory."""
    from fleetgym.contracts.scoring import score

    return score(StrictGrader().checkpoints(TRUTH), steps).value
