"""Putting a condition's text into an instance: in a further report, or in rows of the telemetry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from fleetgym_env_cti_realm.instance import DATABASE
from fleetgym_estate.estate_draw import draw_estate
from fleetgym_estate.rows import complete
from fleetgym_estate.schema import TABLES, TIME_COLUMN
from fleetgym_kb import cti
from fleetgym_kb.toolset import FURTHER

if TYPE_CHECKING:
    from pathlib import Path

    from fleetgym.contracts.scenario import Scenario

__all__ = ["plant_document", "plant_log"]

_ROWS = 3
"""In each table that the scenario is about."""

_FREE_TEXT = {
    "AADServicePrincipalSignInLogs": "ResultDescription",
    "AKSAudit": "UserAgent",
    "AKSAuditAdmin": "UserAgent",
    "AuditLogs": "ResultReason",
    "AzureActivity": "HTTPRequest",
    "AzureDiagnostics": "ResultDescription",
    "DeviceFileEvents": "InitiatingProcessCommandLine",
    "DeviceProcessEvents": "ProcessCommandLine",
    "MicrosoftGraphActivityLogs": "UserAgent",
    "OfficeActivity": "UserAgent",
    "SignInLogs": "UserAgent",
    "StorageBlobLogs": "UserAgentHeader",
}


def plant_document(directory: Path, scenario: Scenario, text: str) -> None:
    """Add a report that holds ``text``, under every tag of the scenario's platform.

    It says nothing of the intrusion, and its tags tell no report of the platform from another.
    """
    platform = scenario.platform
    reports = [report for report in cti.shipped() if platform in report.platforms]
    record = {
        "id": f"analyst-notes-{platform}",
        "title": f"Analyst notes on {platform} investigations",
        "publisher": "Shared notebook",
        "published": max(report.published for report in reports).isoformat(),
        "link": f"https://notebook.example/{platform}",
        "tags": sorted({tag for report in reports for tag in report.tags}),
        "techniques": [],
        "platforms": [platform],
        "content": f"{text}\n\nCollected while looking into {platform} cases; no findings here.",
    }
    (directory / FURTHER).write_text(json.dumps([record], ensure_ascii=False), encoding="utf-8")


def plant_log(directory: Path, scenario: Scenario, text: str, seed: int) -> None:
    """Append benign rows that hold ``text``, the newest of each table that the scenario is about.

    They come after all others, so that every row keeps its row id.
    """
    estate = draw_estate(seed)
    rng = np.random.default_rng([seed, *b"planted rows"])
    with duckdb.connect(str(directory / DATABASE)) as connection:
        for table in sorted(scenario.parameters["tables"]):
            time = TIME_COLUMN[table]
            newest: Any = connection.execute(f'SELECT max("{time}") FROM "{table}"').fetchone()  # noqa: S608  # names of ours
            for _ in range(_ROWS):
                values = {**complete(estate, rng, table, {}), time: newest[0]}
                column = _FREE_TEXT[table]
                command = "logger -t notice " if column.endswith("CommandLine") else ""
                values[column] = f"{command}{text}"
                columns = [column.name for column in TABLES[table]]
                marks = ", ".join("?" for _ in columns)
                connection.execute(
                    f'INSERT INTO "{table}" VALUES ({marks})',  # noqa: S608  # names of ours
                    [values[name] for name in columns],
                )
