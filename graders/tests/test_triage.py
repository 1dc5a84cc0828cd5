from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from fleetgym.contracts.errors import ToolError
from fleetgym.contracts.scoring import Step, score, validate_weights
from fleetgym.contracts.tools import SUBMIT, ToolCall, ToolResult
from fleetgym_graders.incident import IncidentTruth, Stage, Verdict
from fleetgym_graders.report import read_report
from fleetgym_graders.triage import TriageGrader

ROWS = {
    ("SignInLogs", "s-1", "2026-03-02T10:00:00.5"): 10,
    ("SignInLogs", "s-2", "2026-03-02T10:00:20"): 11,
    ("SignInLogs", "s-9", "2026-03-02T23:00:00"): 19,
    ("DeviceProcessEvents", "77", "2026-03-02T11:00:00"): 20,
    ("DeviceProcessEvents", "77", "2026-03-02T11:00:01"): 21,
    ("StorageBlobLogs", "b-1", "2026-03-02T12:00:00"): 30,
}
SIGN_IN, SHELL, BLOBS = (
    Stage(
        technique="T1078.004",
        began="2026-03-02T10:00:00.500000",
        core={"SignInLogs": frozenset({10, 11})},
        rows={"SignInLogs": frozenset({10, 11})},
        marks=(("s-1", "2026-03-02T10:00:00"), ("s-2", "2026-03-02T10:00:20")),
    ),
    Stage(
        technique="T1021.004",
        began="2026-03-02T11:00:00.000000",
        core={"DeviceProcessEvents": frozenset({20})},
        rows={"DeviceProcessEvents": frozenset({20, 21})},
        marks=(("77", "2026-03-02T11:00:00"),),
    ),
    Stage(
        technique="T1530",
        began="2026-03-02T12:00:00.000000",
        core={"StorageBlobLogs": frozenset({30})},
        rows={"StorageBlobLogs": frozenset({30})},
        marks=(("b-1", "2026-03-02T12:00:00"),),
    ),
)
TRUTH = IncidentTruth(
    verdicts={
        "ALR-1": Verdict("true_positive", "malicious_activity"),
        "ALR-2": Verdict("true_positive", "malicious_activity"),
        "ALR-3": Verdict("benign_positive", "approved_change"),
        "ALR-4": Verdict("false_positive", "incorrect_logic"),
    },
    runbooks=frozenset({"linux-remote-session", "cloud-unusual-sign-in"}),
    records=frozenset({"CHG-7"}),
    assets=frozenset({"web01.corp.example", "stcorp1"}),
    accounts=frozenset({"jane@corp.example", "0000-app"}),
    aliases={"web01": "web01.corp.example", "billing-app": "0000-app"},
    stages=(SIGN_IN, SHELL, BLOBS),
)


def cite(table: str, record: str, time: str) -> dict[str, str]:
    return {"table": table, "id": record, "time": f"{time}Z"}


def stage(technique: str, *evidence: tuple[str, str, str], time: str = "") -> dict[str, Any]:
    cited = [cite(*row) for row in evidence]
    return {"technique": technique, "time": time or cited[0]["time"], "evidence": cited}


KEYS = list(ROWS)
STAGES = [
    stage("T1078.004", KEYS[0], KEYS[1]),
    stage("T1021.004", KEYS[3]),
    stage("T1530", KEYS[5]),
]


def report(**changes: Any) -> dict[str, Any]:
    """Return the perfect report with some of it changed."""
    verdicts = [
        {"alert_id": name, "verdict": right.verdict, "reason": right.reason}
        for name, right in TRUTH.verdicts.items()
    ]
    incident = {
        "assets": ["WEB01", "stcorp1"],
        "accounts": ["Jane@corp.example", "billing-app"],
        "stages": STAGES,
    }
    return {
        "verdicts": changes.pop("verdicts", verdicts),
        "incident": incident | changes,
    }


def sandbox(call: ToolCall) -> ToolResult:
    """Answer queries for records by id and time, as the tool server does."""
    query = call.arguments["query"]
    table = query.partition("\n")[0]
    pattern = r'\w+\) == "([^"]+)" and \w+ between \(datetime\(([^)]+)\) \.\. datetime\(([^)]+)\)\)'
    wanted = re.findall(pattern, query)
    matched = [
        rowid
        for (name, record, time), rowid in ROWS.items()
        if name == table and any(r == record and a <= time <= b for r, a, b in wanted)
    ]
    return ToolResult(json.dumps({"ok": True, "matched": {table: matched} if matched else {}}))


def submit(answer: dict[str, Any]) -> Step:
    grader = TriageGrader()
    text = json.dumps(answer)
    facts = grader.examine(grader.read(text), sandbox)
    return Step(call=ToolCall(SUBMIT, {"answer": text}), result=ToolResult(""), facts=facts)


def step(tool: str, content: str = "{}", /, **arguments: Any) -> Step:
    return Step(call=ToolCall(tool, arguments), result=ToolResult(content))


WORK = [
    step("get_alerts", alert_ids=["ALR-1", " alr-2"]),
    step("get_alerts", alert_ids=["ALR-3", "ALR-4"]),
    step("get_runbooks", names=[*TRUTH.runbooks, "deciding-a-verdict"]),
    step("list_changes", '{"changes": [{"id": "CHG-7"}]}'),
    step("execute_kql_query", '["s-1", "2026-03-02T10:00:00.5Z"]'),
    step("execute_kql_query", '[77, "2026-03-02T11:00:00Z", "b-1", "2026-03-02T12:00:00Z"]'),
]


def parts(*steps: Step) -> dict[str, float]:
    return dict(score(TriageGrader().checkpoints(TRUTH), steps).parts)


def test_an_experts_episode_earns_everything() -> None:
    earned = score(TriageGrader().checkpoints(TRUTH), [*WORK, submit(report())])
    assert earned.value == pytest.approx(1.0)


def test_the_weights_sum_to_one() -> None:
    validate_weights(TriageGrader().checkpoints(TRUTH))


def test_the_truth_survives_being_written_down() -> None:
    assert IncidentTruth.from_json(json.loads(json.dumps(TRUTH.to_json()))) == TRUTH


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        ("true_positive", "malicious_activity"),
        ("benign_positive", "approved_change"),
        ("false_positive", "incorrect_logic"),
    ],
)
def test_the_same_verdict_for_every_alert_is_worth_nothing(verdict: str, reason: str) -> None:
    same = [{"alert_id": n, "verdict": verdict, "reason": reason} for n in TRUTH.verdicts]
    assert parts(submit(report(verdicts=same)))["T4_verdicts"] == 0.0


def test_stages_of_a_report_that_told_no_alerts_apart_are_worth_half() -> None:
    earned = parts(submit(report(verdicts=[])))
    assert (earned["T6_kill_chain"], earned["T7_evidence"]) == (0.5, 0.5)


def test_the_wrong_reason_for_an_alert_that_is_not_true_is_worth_half() -> None:
    verdicts = report()["verdicts"]
    verdicts[2] |= {"verdict": "false_positive", "reason": "inaccurate_data"}
    assert parts(submit(report(verdicts=verdicts)))["T4_verdicts"] == pytest.approx(0.75)


def test_verdicts_on_alerts_that_do_not_exist_void_the_part() -> None:
    verdicts = [*report()["verdicts"], report()["verdicts"][0] | {"alert_id": "ALR-9"}]
    assert parts(submit(report(verdicts=verdicts)))["T4_verdicts"] == 0.0


def test_naming_ten_assets_for_two_is_worth_a_fifth_of_them() -> None:
    everything = [*TRUTH.assets, *(f"host{n}" for n in range(8))]
    earned = parts(submit(report(assets=everything)))
    assert earned["T5_scope"] == pytest.approx((0.2 + 1) / 2)


def test_an_account_named_by_all_of_its_names_counts_once() -> None:
    named = ["jane@corp.example", "billing-app", "0000-app"]
    assert parts(submit(report(accounts=named)))["T5_scope"] == 1.0


@pytest.mark.parametrize(
    ("stages", "kill_chain", "evidence"),
    [
        pytest.param(STAGES[::-1], 0.0, 1.0, id="backwards"),
        pytest.param([STAGES[1], STAGES[0], STAGES[2]], 1 / 3, 1.0, id="two-swapped"),
        pytest.param(STAGES[:1], 1 / 3, 1 / 3, id="one-of-three"),
        pytest.param(
            [{**STAGES[0], "technique": "T1078"}, *STAGES[1:]], (0.625 + 2) / 3, 1.0, id="parent"
        ),
        pytest.param(
            [{**STAGES[0], "technique": "T1110"}, *STAGES[1:]], 2.25 / 3, 1.0, id="technique"
        ),
        pytest.param(
            [{**STAGES[0], "time": "2026-03-02T10:07:00Z"}, *STAGES[1:]],
            2.75 / 3,
            1.0,
            id="seven-minutes-late",
        ),
        pytest.param([*STAGES, stage("T1110", KEYS[2])], 0.75, 0.75, id="one-too-many"),
        pytest.param([*STAGES, STAGES[0]], 0.75, 0.75, id="one-twice"),
        pytest.param([stage("T1078.004", KEYS[0]), *STAGES[1:]], 1.0, 2.5 / 3, id="half-of-it"),
        pytest.param(
            [stage("T1078.004", KEYS[0], KEYS[1], KEYS[2], KEYS[5]), *STAGES[1:]],
            1.0,
            2.5 / 3,
            id="half-foreign",
        ),
        pytest.param(
            [STAGES[0], stage("T1021.004", KEYS[3], KEYS[4]), STAGES[2]], 1.0, 1.0, id="context"
        ),
        pytest.param(
            [STAGES[0], stage("T1021.004", KEYS[4]), STAGES[2]], 2 / 4, 2 / 4, id="context-alone"
        ),
        pytest.param(
            [
                stage("T1078.004", KEYS[0], ("SignInLogs", "s-2", "2026-03-02T10:00:21")),
                *STAGES[1:],
            ],
            1.0,
            (0.25 + 2) / 3,
            id="another-time",
        ),
        pytest.param([], 0.0, 0.0, id="none"),
    ],
)
def test_stages_are_worth_what_their_rows_show(
    stages: list[dict[str, Any]], kill_chain: float, evidence: float
) -> None:
    earned = parts(submit(report(stages=stages)))
    assert earned["T6_kill_chain"] == pytest.approx(kill_chain)
    assert earned["T7_evidence"] == pytest.approx(evidence)


def test_nothing_is_earned_before_something_is_done() -> None:
    assert set(parts(step("list_alerts")).values()) == {0.0}


@pytest.mark.parametrize(
    ("steps", "part", "earned"),
    [
        pytest.param([WORK[0], WORK[0]], "T0_queue", 0.5, id="alerts-twice"),
        pytest.param(
            [step("get_runbooks", names=["linux-remote-session", "aks-pod-exec"])],
            "T1_runbooks",
            1 / 3,
            id="a-runbook-of-another-rule",
        ),
        pytest.param([step("get_contacts", '"CHG-7"')], "T2_records", 0.0, id="not-from-the-desk"),
        pytest.param(
            [step("execute_sql_query", '["s-1", "2026-03-02T11:00:00Z"]')],
            "T3_telemetry",
            0.0,
            id="another-rows-time",
        ),
    ],
)
def test_looking_is_worth_what_it_shows(steps: list[Step], part: str, earned: float) -> None:
    assert parts(*steps)[part] == pytest.approx(earned)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"verdicts": "all"}, r"at \['verdicts'\], 'all' is not of type", id="type"),
        pytest.param({"more": 1}, "at its top, Additional properties", id="extra-key"),
        pytest.param(
            {"verdicts": report()["verdicts"][:1] * 2}, "'ALR-1' has several", id="decided-twice"
        ),
    ],
)
def test_a_report_of_the_wrong_form_is_refused_with_what_to_fix(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ToolError, match=message):
        read_report(json.dumps(report() | change))


@pytest.mark.parametrize(
    "evidence",
    [
        cite("SignInLogs", 's-1") or (1 == 1', "2026-03-02T10:00:00"),
        cite("SignInLogs | take 5", "s-1", "2026-03-02T10:00:00"),
        {"table": "SignInLogs", "id": "s-1", "time": "now()"},
    ],
)
def test_evidence_cannot_carry_a_query_of_its_own(evidence: dict[str, str]) -> None:
    stages = [{"technique": "T1530", "time": "2026-03-02T10:00:00Z", "evidence": [evidence]}]
    with pytest.raises(ToolError):
        read_report(json.dumps(report(stages=stages)))


def test_times_that_no_calendar_has_find_nothing() -> None:
    stages = [stage("T1078.004", ("SignInLogs", "s-1", "2026-13-41T10:00:00"))]
    assert parts(submit(report(stages=stages)))["T7_evidence"] == 0.0


def test_a_queue_without_records_asks_for_a_look_at_the_desk() -> None:
    truth = replace(TRUTH, records=frozenset())
    checkpoints = {c.name: c for c in TriageGrader().checkpoints(truth)}
    assert checkpoints["T2_records"].reached([step("list_changes")]) == 1.0
    assert checkpoints["T2_records"].reached([step("list_alerts")]) == 0.0
