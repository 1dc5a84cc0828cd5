import json
from typing import Any

import pytest

from fleetgym.contracts.record import ModelCallRecord, Outcome, RunKey, RunRecord, StepRecord
from fleetgym.records.redact import Redactor
from fleetgym.telemetry.tracing import Tracing

KEY = RunKey(
    framework="autogen",
    framework_version="0.7.5",
    topology="single",
    scenario="cti/a",
    scenario_version=1,
    condition="clean",
    model="policy/expert",
    seed=3,
    grader="cti/strict",
)


@pytest.fixture
def spans() -> list[dict[str, Any]]:
    tracing = Tracing(Redactor(["hunter2-hunter2"]), "suite")
    trace = tracing.begin(KEY.run_id, KEY)
    trace.model_call(
        ModelCallRecord(
            index=0,
            agent="planner",
            started_s=0.1,
            latency_s=0.2,
            status=200,
            input_tokens=7,
            output_tokens=5,
            estimated=False,
            finish_reason="tool_calls",
        )
    )
    trace.tool_call(
        StepRecord(
            index=0,
            agent="planner",
            name="execute_kql_query",
            arguments={"query": "hunter2-hunter2"},
            content="",
            is_error=True,
            reward=0.25,
            started_s=0.4,
            duration_s=0.1,
        )
    )
    line = trace.end(
        RunRecord(run_id=KEY.run_id, key=KEY, suite="suite", outcome=Outcome.FAILURE, detail="no")
    )
    tracing.shutdown()
    (resource,) = json.loads(line)["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    return scope["spans"]


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    return {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}


def test_a_run_is_one_trace_of_run_agent_and_calls(spans: list[dict[str, Any]]) -> None:
    by_id = {span["spanId"]: span for span in spans}
    parents = {
        span["name"]: by_id.get(span.get("parentSpanId", ""), {}).get("name") for span in spans
    }

    assert parents == {
        "invoke_workflow cti/a": None,
        "invoke_agent planner": "invoke_workflow cti/a",
        "chat policy/expert": "invoke_agent planner",
        "execute_tool execute_kql_query": "invoke_agent planner",
    }
    assert len({span["traceId"] for span in spans}) == 1


def test_spans_carry_what_was_measured(spans: list[dict[str, Any]]) -> None:
    chat = next(span for span in spans if span["name"].startswith("chat"))

    assert attributes(chat)["gen_ai.usage.input_tokens"] == "7"
    assert attributes(chat)["gen_ai.agent.name"] == "planner"
    assert int(chat["endTimeUnixNano"]) - int(chat["startTimeUnixNano"]) == 200_000_000


def test_a_failed_run_and_a_failed_call_are_errors(spans: list[dict[str, Any]]) -> None:
    codes = {span["name"]: span["status"].get("code") for span in spans}

    assert codes["invoke_workflow cti/a"] == "STATUS_CODE_ERROR"
    assert codes["execute_tool execute_kql_query"] == "STATUS_CODE_ERROR"
    assert codes["chat policy/expert"] is None


def test_secrets_never_reach_a_span(spans: list[dict[str, Any]]) -> None:
    assert "hunter2" not in json.dumps(spans)
    assert "[redacted:secret]" in json.dumps(spans)
