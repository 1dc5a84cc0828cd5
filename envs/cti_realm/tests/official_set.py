"""A data set in the layout of the published one; its contents are made up here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fleetgym_env_cti_realm.official.files import TABLE_FILES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["ANSWER", "PATTERNS", "QUERIES", "write_set"]

PATTERNS = {"FileName": "^wget$", "AccountName": "svc-.*"}
QUERIES = (
    'DeviceProcessEvents | where FileName == "wget" | project Timestamp, FileName, AccountName',
    "DeviceProcessEvents | summarize count() by FileName",
)
ANSWER = {
    "sigma_rule": "title: wget by a service account\nlogsource: {product: linux}\n" * 2,
    "kql_query": QUERIES[0],
    "query_results": [
        {"Timestamp": "2026-01-02T03:04:05Z", "FileName": "wget", "AccountName": "svc-web"}
    ],
}


def write_set(root: Path, *, telemetry: str = "kusto_data", sets: Iterable[str] = ("25",)) -> None:
    """Write a whole set of two samples under ``root``."""
    for folder in ("data", telemetry, "cti_reports", "seed_memory"):
        (root / folder).mkdir(parents=True)
    truth = {
        "mitre_techniques": ["T1105", "T1053.003"],
        "data_sources": ["DeviceProcessEvents"],
        "regex_patterns": PATTERNS,
    }
    for name in sets:
        _lines(
            root / "data" / f"dataset_answers_stratified_{name}.jsonl",
            [
                {"id": "Linux_1", "detection_description": "Detect wget (T1105).", "subtasks": {}},
                {"id": 2, "detection_description": "Detect {braces}.", "subtasks": {}},
            ],
        )
        _lines(
            root / "data" / f"dataset_samples_stratified_{name}.jsonl",
            [{"id": "Linux_1", "ground_truth": truth}, {"id": "2", "ground_truth": truth}],
        )
    rule = {"title": "A rule", "description": "d", "techniques": ["T1105"], "platform": "linux"}
    (root / "data" / "sigma_rules.json").write_text(json.dumps([{**rule, "path": "a.yml"}]))
    report = {"id": 7, "title": "A report", "link": "x", "tags": ["linux"], "content": "wget."}
    _lines(root / "cti_reports" / "reports.jsonl", [report])
    for name in ("workflow", "tool_tips", "patterns"):
        (root / "seed_memory" / f"{name}.md").write_text(f"# {name}\n")
    for table, file in TABLE_FILES.items():
        _lines(root / telemetry / file, _events(table))


def _events(table: str) -> list[dict[str, Any]]:
    if table == "StorageBlobLogs":
        return []
    if table != "DeviceProcessEvents":
        return [{"TimeGenerated": "2026-01-02T00:00:00Z", "Where": table}]
    event = {"Timestamp": "2026-01-02T03:04:05Z", "AccountName": "svc-web", "ProcessId": 5}
    return [
        {**event, "FileName": "wget", "Additional Fields": {"b": 1, "a": [2]}},
        *({**event, "FileName": "sh", "ProcessId": 2**40 * (n == 14)} for n in range(15)),
        {**event, "FileName": "sh", "Timestamp": "never", "TooLate": "a column of no use"},
    ]


def _lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n\n" for record in records))
