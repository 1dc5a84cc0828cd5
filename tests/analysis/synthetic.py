"""Run records that look like real ones, made from a seed."""

from __future__ import annotations

import json
import random
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
MOVES = [
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
    ("submit", {"answer": "{}"}, {"C1_threat_context": 1.0, "C4_query_results": 1.0}),
]
FRAMEWORKS = {
    "langgraph": ("1.2.22", 0.95, 0.3),
    "langchain": ("1.3.1", 0.9, 0.35),
    "autogen": ("0.7.5", 0.7, 0.5),
    "crewai": ("1.15.2", 0.6, 1.4),
}
SCENARIOS = [
    "cti/linux-cron-persistence",
    "cti/linux-reverse-shell",
    "cti/aks-exec-into-pod",
    "cti/aks-cluster-admin-binding",
    "cti/azure-consent-grant",
    "cti/azure-storage-exfiltration",
]
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
    """Return the runs of four frameworks and the expert on six scenarios."""
    random_ = random.Random(seed)
    records = [
        _played(name, version, scenario, number, skill, slow, random_)
        for name, (version, skill, slow) in FRAMEWORKS.items()
        for scenario in SCENARIOS
        for number in range(seeds)
    ]
    expert = [
        _played("reference", "0.1.0", scenario, number, 1.0, 0.1, random_)
        for scenario in SCENARIOS
        for number in range(seeds)
    ]
    return sorted([*records, *expert], key=lambda r: r.run_id)


def _played(
    name: str,
    version: str,
    scenario: str,
    number: int,
    skill: float,
    slow: float,
    random_: random.Random,
) -> RunRecord:
    of = key(framework=name, framework_version=version, scenario=scenario, seed=number)
    steps: list[StepRecord] = []
    reached = dict.fromkeys(WEIGHTS, 0.0)
    clock = 0.2
    moves = list(MOVES)
    while moves:
        wrong = random_.random() > skill
        move, arguments, earned = moves[0] if wrong else moves.pop(0)
        if len(steps) > 14:
            break
        content = (
            _content(move, of)
            if not wrong
            else "Unknown column 'Filename'. Did you mean 'FileName'?"
        )
        moved = (
            {}
            if wrong
            else {n: v * (1 if skill > random_.random() else 0.4) for n, v in earned.items()}
        )
        if move == "submit" and not wrong:
            moved["C4_sigma_quality"] = round(0.6 + 0.4 * skill * random_.random(), 3)
        for part, value in moved.items():
            reached[part] += value
        duration = slow * random_.random()
        steps.append(
            StepRecord(
                index=len(steps),
                agent="main",
                name=move,
                arguments=dict(arguments),
                content=content,
                is_error=wrong,
                reward=sum(WEIGHTS[n] * v for n, v in moved.items()),
                checkpoints=moved,
                said="I look at the reports first." if move == "list_cti_report_tags" else "",
                started_s=clock,
                duration_s=duration,
            )
        )
        clock += duration + 0.05
    value = sum(WEIGHTS[n] * v for n, v in reached.items())
    outcome, category = _ending(moves, value, random_)
    return RunRecord(
        run_id=of.run_id,
        key=of,
        suite="quickstart",
        outcome=outcome,
        category=category,
        category_step=len(steps) - 1 if category else None,
        detail="Submitted." if not moves else "Stopped after 15 tool calls without an artifact.",
        score=None
        if outcome is Outcome.VOID
        else ScoreRecord(
            grader=of.grader, grader_version="1", value=value, parts=reached, weights=WEIGHTS
        ),
        steps=steps,
        model_calls=[
            ModelCallRecord(
                index=i,
                agent="main",
                started_s=s.started_s - 0.04,
                latency_s=0.02,
                status=200,
                input_tokens=700 + 300 * i,
                output_tokens=40 + i,
                estimated=True,
                finish_reason="tool_calls",
                tool_calls=[s.name],
            )
            for i, s in enumerate(steps)
        ],
        events=[{"kind": "decision", "agent": "main", "attributes": {"why": "cron fits"}}],
        usage=Usage(
            steps=len(steps),
            tool_errors=sum(s.is_error for s in steps),
            model_calls=len(steps) + 1,
            input_tokens=sum(700 + 300 * i for i in range(len(steps))),
            output_tokens=45 * len(steps),
            wall_s=clock,
            setup_s=0.4,
            cpu_s=clock * 0.4,
            peak_memory_bytes=int(90e6 + slow * 1e8),
        ),
        worker=WorkerReport(versions={name: version}, closing_text="Done.", exit_code=0),
        task="DETECTION OBJECTIVE:\nDetect persistence by cron on Linux servers of the estate.",
        trace_id="0" * 32,
        started_at_utc=f"2026-03-01T10:{number:02d}:00Z",
        manifest={"fleetgym": "0.1.0", "sandbox": "local", "commit": "abc1234"},
    )


def _ending(
    left: list[Any], value: float, random_: random.Random
) -> tuple[Outcome, FailureCategory | None]:
    if left:
        return Outcome.BUDGET_EXHAUSTED, FailureCategory.LOOP
    if random_.random() < 0.03:
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
