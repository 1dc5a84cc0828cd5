"""The scenarios of IncidentTriage-v1: one module an intrusion."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from fleetgym.contracts.scenario import Budget, Scenario
from fleetgym.contracts.tools import SUBMIT
from fleetgym_graders.report import REPORT_SCHEMA

if TYPE_CHECKING:
    from fleetgym_env_incident_triage.scenarios.story import Story

__all__ = ["SYSTEM", "scenarios", "stories", "story_of"]

ENVIRONMENT = "fleetgym/IncidentTriage-v1"

_MODULES = ("linux_intrusion", "aks_takeover", "cloud_identity", "hybrid_breach")

TOOLS = (
    "list_alerts",
    "get_alerts",
    "search_runbooks",
    "get_runbooks",
    "get_assets",
    "list_changes",
    "get_contacts",
    "list_kusto_tables",
    "get_table_schema",
    "sample_table_data",
    "execute_kql_query",
    "execute_sql_query",
    "validate_report",
    SUBMIT,
)

SYSTEM = """\
You are an incident responder in a security operations center. You clear an alert queue: some of \
the alerts belong to one intrusion, the others are false positives or true but benign.

Use the tools to read the alerts and the runbooks of their rules, to establish from the telemetry \
who did what from where, and to compare that with change calendar, asset inventory and contacts. \
Decide every alert, scope the intrusion beyond its alerts, and put its stages in order. Say why \
when you decide an alert.

Hand in one JSON object by calling `submit`:
- `verdicts`: for every alert `alert_id`, `verdict` (true_positive, benign_positive or \
false_positive) and `reason`, by the runbook `deciding-a-verdict`;
- `incident`: `assets` and `accounts` that the intruder used, and `stages` in the order in which \
they began, each with `technique`, `time` and `evidence` rows (`table`, `id`, `time`), by the \
runbooks `scoping-an-incident` and `writing-the-incident-report`.

You can submit once."""

_PROMPT = """\
TRIAGE TASK:
The queue holds the alerts of {start} to {end} UTC. Decide each of them, and report the intrusion \
that the true ones belong to: the assets and accounts that the intruder used and the stages in \
order, with evidence rows. At least one stage raised no alert."""


def stories() -> tuple[Story, ...]:
    """Return what the scenarios tell."""
    return tuple(import_module(f"{__name__}.{name}").STORY for name in _MODULES)


def story_of(scenario: str) -> Story:
    """Return the story of one scenario id."""
    return next(told for told in stories() if told.id == scenario)


def scenarios() -> tuple[Scenario, ...]:
    """Return every scenario."""
    return tuple(
        Scenario(
            id=told.id,
            version=told.version,
            environment=ENVIRONMENT,
            title=told.title,
            platform=told.platform,
            difficulty=told.difficulty,
            prompt=_PROMPT,
            tools=TOOLS,
            artifact_schema=REPORT_SCHEMA,
            budget=Budget(steps=80, model_calls=160, tokens=4_000_000, seconds=240.0),
        )
        for told in stories()
    )
