"""Run records that look like real ones, made from a seed."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from fleetgym.contracts.record import (
    FailureCategory,
    ModelCallRecord,
    Outcome,
    RunKey,
    RunRecord,
    ScoreRecord,
    StepRecord,
    Usage,
    WorkerReport,
)

__all__ = ["HOSTILE", "key", "record", "suite"]

WEIGHTS = {
    "C0_cti_alignment": 0.125,
    "C1_threat_context": 0.075,
    "C2_data_exploration": 0.10,
    "C3_query_execution": 0.05,
    "C4_query_results": 0.50,
    "C4_sigma_quality": 0.15,
}
MOVES: list[tuple[str, dict[str, Any], dict[str, float]]] = [
    ("list_cti_report_tags", {}, {}),
    ("get_cti_reports_by_tag", {"tag": "cron"}, {"C0_cti_alignment": 1.0}),
    ("list_kusto_tables", {}, {}),
    ("get_table_schema", {"table_name": "DeviceProcessEvents"}, {"C2_data_exploration": 1.0}),
    ("execute_kql_query", {"query": "DeviceProcessEvents | where FileName == 'crontab'"}, {}),
    (
        "execute_kql_query",
        {"query": "DeviceProcessEvents\n| where FileName == 'crontab'\n| project DeviceName"},
        {"C3_query_execution": 1.0},
    ),
    (
        "submit",
        {"answer": '{"sigma_rule": "title: Cron", "kql_query": "T", "query_results": []}'},
        {"C1_threat_context": 1.0, "C4_query_results": 1.0, "C4_sigma_quality": 0.9},
    ),
]


@dataclass(frozen=True)
class Player:
    name: str
    version: str
    skill: float
    """Probability that a call is right."""

    pace: float
    """Seconds a call takes at most."""


FRAMEWORKS = [
    Player("langgraph", "1.2.22", 0.95, 0.3),
    Player("langchain", "1.3.1", 0.9, 0.35),
    Player("autogen", "0.7.5", 0.7, 0.5),
    Player("crewai", "1.15.2", 0.6, 1.4),
]
EXPERT = Player("reference", "0.1.0", 1.0, 0.1)
SCENARIOS = [
    "cti/linux-cron-persistence",
    "cti/linux-reverse-shell",
    "cti/aks-exec-into-pod",
    "cti/aks-cluster-admin-binding",
    "cti/azure-consent-grant",
    "cti/azure-storage-exfiltration",
]
MAX_STEPS = 15
REFUSAL = "Unknown column 'Filename'. Did you mean 'FileName'?"
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><!--<script>\x1b[2J\u2028"


def key(**changes: Any) -> RunKey:
    """Return a run's key with some fields changed."""
    fields: dict[str, Any] = {
        "framework": "langgraph",
        "framework_version": "1.2.22",
        "topology": "single",
        "scenario": SCENARIOS[0],
        "scenario_version": 1,
        "condition": "clean",
        "model": "policy/competent",
        "seed": 0,
        "grader": "cti/strict",
    }
    return RunKey(**{**fields, **changes})


def record(
    of: RunKey | None = None,
    *,
    outcome: Outcome = Outcome.SUCCESS,
    rewards: tuple[float, ...] = (0.25, 0.0, 0.75),
    **changes: Any,
) -> RunRecord:
    """Return a small record whose rewards are exactly these."""
    of = of or key()
    steps = [
        StepRecord(
            index=index,
            agent="main",
            name="execute_kql_query",
            arguments={"query": f"T | take {index}"},
            content="{}",
            is_error=False,
            reward=reward,
            started_s=float(index),
            duration_s=0.5,
        )
        for index, reward in enumerate(rewards)
    ]
    value = min(1.0, max(0.0, sum(rewards)))
    score = ScoreRecord(
        grader=of.grader, grader_version="1", value=value, parts={"C0": value}, weights={"C0": 1.0}
    )
    fields: dict[str, Any] = {
        "run_id": of.run_id,
        "key": of,
        "suite": "quickstart",
        "outcome": outcome,
        "score": None if outcome is Outcome.VOID else score,
        "steps": steps,
        "usage": Usage(steps=len(steps), model_calls=4, input_tokens=1000, wall_s=1.5),
    }
    return RunRecord(**{**fields, **changes})


def suite(seeds: int = 3, seed: int = 0) -> list[RunRecord]:
    """Return the runs of four frameworks and the expert on six scenarios, by id."""
    chance = random.Random(seed)
    records = [
        _played(player, key(scenario=scenario, seed=number), chance)
        for player in (*FRAMEWORKS, EXPERT)
        for scenario in SCENARIOS
        for number in range(seeds)
    ]
    return sorted(records, key=lambda each: each.run_id)


def _played(player: Player, of: RunKey, chance: random.Random) -> RunRecord:
    of = of.model_copy(update={"framework": player.name, "framework_version": player.version})
    steps, unplayed = _steps(player, of, chance)
    reached = {name: sum(s.checkpoints.get(name, 0.0) for s in steps) for name in WEIGHTS}
    value = sum(WEIGHTS[name] * part for name, part in reached.items())
    outcome, category = _ending(unplayed, value, chance)
    score = ScoreRecord(
        grader=of.grader, grader_version="1", value=value, parts=reached, weights=WEIGHTS
    )
    return RunRecord(
        run_id=of.run_id,
        key=of,
        suite="quickstart",
        outcome=outcome,
        category=category,
        category_step=len(steps) - 1 if category else None,
        detail=f"Stopped after {len(steps)} calls." if unplayed else "Submitted.",
        score=None if outcome is Outcome.VOID else score,
        steps=steps,
        model_calls=[_model_call(step) for step in steps],
        events=[{"kind": "decision", "agent": "main", "attributes": {"why": "cron fits"}}],
        usage=_usage(player, steps),
        worker=WorkerReport(
            versions={player.name: player.version}, closing_text="Done.", exit_code=0
        ),
        task="DETECTION OBJECTIVE:\nDetect persistence by cron on Linux servers of the estate.",
        trace_id="0" * 32,
        started_at_utc=f"2026-03-01T10:{of.seed % 60:02d}:00Z",
        manifest={"fleetgym": "0.1.0", "sandbox": "local", "commit": "abc1234"},
    )


def _steps(player: Player, of: RunKey, chance: random.Random) -> tuple[list[StepRecord], int]:
    """Return the steps of a run, and how many moves it left unplayed."""
    steps: list[StepRecord] = []
    played, clock = 0, 0.2
    while played < len(MOVES) and len(steps) < MAX_STEPS:
        move, arguments, worth = MOVES[played]
        wrong = chance.random() > player.skill
        moved = {} if wrong else {n: v * _luck(player, chance) for n, v in worth.items()}
        duration = player.pace * chance.random()
        steps.append(
            StepRecord(
                index=len(steps),
                agent="main",
                name=move,
                arguments=arguments,
                content=REFUSAL if wrong else _content(move, of),
                is_error=wrong,
                reward=sum(WEIGHTS[name] * value for name, value in moved.items()),
                checkpoints=moved,
                said="I look at the reports first." if not steps else "",
                started_s=clock,
                duration_s=duration,
            )
        )
        clock += duration + 0.05
        played += not wrong
    return steps, len(MOVES) - played


def _luck(player: Player, chance: random.Random) -> float:
    return 1.0 if player.skill >= chance.random() else 0.4


def _model_call(step: StepRecord) -> ModelCallRecord:
    return ModelCallRecord(
        index=step.index,
        agent=step.agent,
        started_s=step.started_s - 0.04,
        latency_s=0.02,
        status=200,
        input_tokens=700 + 300 * step.index,
        output_tokens=40 + step.index,
        estimated=True,
        finish_reason="tool_calls",
        tool_calls=[step.name],
    )


def _usage(player: Player, steps: list[StepRecord]) -> Usage:
    wall = sum(step.duration_s + 0.05 for step in steps) + 0.2
    return Usage(
        steps=len(steps),
        tool_errors=sum(step.is_error for step in steps),
        model_calls=len(steps) + 1,
        input_tokens=sum(700 + 300 * step.index for step in steps),
        output_tokens=45 * len(steps),
        wall_s=wall,
        setup_s=0.4,
        cpu_s=wall * 0.4,
        peak_memory_bytes=int(90e6 + player.pace * 1e8),
    )


def _ending(
    unplayed: int, value: float, chance: random.Random
) -> tuple[Outcome, FailureCategory | None]:
    if unplayed:
        return Outcome.BUDGET_EXHAUSTED, FailureCategory.LOOP
    if chance.random() < 0.03:
        return Outcome.VOID, FailureCategory.HARNESS
    if value >= 0.8:
        return Outcome.SUCCESS, None
    return Outcome.FAILURE, FailureCategory.WRONG_ANSWER


def _content(move: str, of: RunKey) -> str:
    if move == "submit":
        return "Submitted. The episode is over; no further tool call is possible."
    rows = [
        [f"web-{of.seed}{n}", "crontab", f"2026-03-01T1{n}:00:00Z", {"uid": n}] for n in range(6)
    ]
    columns = ["DeviceName", "FileName", "Timestamp", "AdditionalFields"]
    if move == "execute_kql_query":
        table = {"TableName": "Table_0", "Columns": [{"ColumnName": c} for c in columns]}
        return json.dumps({"Tables": [{**table, "Rows": rows}]})
    if move == "get_cti_reports_by_tag":
        body = "The actor installs a line in the crontab of a service account. " * 60
        return json.dumps(
            [{"id": f"r{n}", "title": "Cron", "content": body} for n in range(3)], indent=2
        )
    return json.dumps({"available_tags": ["cron", "linux", "aks"], "tables": columns}, indent=2)
