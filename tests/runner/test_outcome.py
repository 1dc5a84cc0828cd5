from dataclasses import replace
from typing import Any

import pytest

from fleetgym.contracts.record import (
    FailureCategory,
    ModelCallRecord,
    Outcome,
    StepRecord,
    WorkerReport,
)
from fleetgym.runner.outcome import Ending, judge

TOOLS = ("query", "submit")


def step(index: int, name: str = "query", **changes: Any) -> StepRecord:
    values: dict[str, Any] = {
        "index": index,
        "agent": "main",
        "name": name,
        "arguments": {"n": index},
        "content": "",
        "is_error": False,
        "reward": 0.0,
        "started_s": 0.0,
        "duration_s": 0.0,
    }
    return StepRecord(**{**values, **changes})


def call(status: int) -> ModelCallRecord:
    return ModelCallRecord(
        index=0,
        agent="main",
        started_s=0,
        latency_s=0,
        status=status,
        input_tokens=0,
        output_tokens=0,
        estimated=True,
    )


ENDED = Ending(
    ended_by="worker",
    score=0.2,
    success_at=0.8,
    steps=[step(0), step(1)],
    model_calls=[call(200)],
    worker=WorkerReport(exit_code=0),
    tools=TOOLS,
    malformed_after=None,
)


@pytest.mark.parametrize(
    ("changes", "outcome", "category"),
    [
        pytest.param({"ended_by": "submitted", "score": 0.8}, Outcome.SUCCESS, None, id="success"),
        pytest.param(
            {"ended_by": "submitted", "score": 0.79},
            Outcome.FAILURE,
            FailureCategory.WRONG_ANSWER,
            id="below-threshold",
        ),
        pytest.param({}, Outcome.NO_SUBMISSION, FailureCategory.STOPPED_EARLY, id="stopped-early"),
        pytest.param(
            {"malformed_after": 2},
            Outcome.NO_SUBMISSION,
            FailureCategory.MALFORMED_OUTPUT,
            id="malformed-last",
        ),
        pytest.param(
            {"malformed_after": 1},
            Outcome.NO_SUBMISSION,
            FailureCategory.STOPPED_EARLY,
            id="malformed-and-recovered",
        ),
        pytest.param(
            {"steps": [step(0), step(1, "qury", is_error=True)]},
            Outcome.NO_SUBMISSION,
            FailureCategory.HALLUCINATED_TOOL,
            id="unknown-tool",
        ),
        pytest.param(
            {"steps": [step(0, is_error=True, content="query: wrong arguments: …")]},
            Outcome.NO_SUBMISSION,
            FailureCategory.HALLUCINATED_ARGUMENT,
            id="wrong-argument",
        ),
        pytest.param(
            {"steps": [step(0, is_error=True, content="Query failed")]},
            Outcome.NO_SUBMISSION,
            FailureCategory.TOOL_FAILURE,
            id="tool-failed",
        ),
        pytest.param(
            {"ended_by": "steps", "steps": [step(i, arguments={}) for i in range(3)]},
            Outcome.BUDGET_EXHAUSTED,
            FailureCategory.LOOP,
            id="loop",
        ),
        pytest.param(
            {"ended_by": "seconds"},
            Outcome.BUDGET_EXHAUSTED,
            FailureCategory.TIMEOUT,
            id="timeout",
        ),
        pytest.param(
            {"worker": WorkerReport(error="ValueError: x", exit_code=1)},
            Outcome.FRAMEWORK_ERROR,
            FailureCategory.STOPPED_EARLY,
            id="raised",
        ),
        pytest.param(
            {"worker": WorkerReport(signal=11)},
            Outcome.FRAMEWORK_ERROR,
            FailureCategory.STOPPED_EARLY,
            id="crashed",
        ),
        pytest.param(
            {"model_calls": [call(502)], "worker": WorkerReport(error="APIError: x")},
            Outcome.MODEL_ERROR,
            FailureCategory.MODEL_FAILURE,
            id="model-down",
        ),
        pytest.param(
            {"model_calls": [call(429)], "worker": WorkerReport(error="RateLimitError: x")},
            Outcome.MODEL_ERROR,
            FailureCategory.MODEL_FAILURE,
            id="rate-limited",
        ),
        pytest.param(
            {"model_calls": [call(400)], "worker": WorkerReport(error="BadRequestError: x")},
            Outcome.FRAMEWORK_ERROR,
            FailureCategory.STOPPED_EARLY,
            id="asked-wrongly",
        ),
        pytest.param(
            {"ended_by": "void", "failure": "The sandbox died."},
            Outcome.VOID,
            FailureCategory.HARNESS,
            id="void",
        ),
    ],
)
def test_every_ending_has_one_outcome_and_a_category(
    changes: dict[str, Any], outcome: Outcome, category: FailureCategory | None
) -> None:
    verdict = judge(replace(ENDED, **changes))

    assert (verdict.outcome, verdict.category) == (outcome, category)
    assert verdict.detail


def test_a_framework_that_breaks_after_submitting_is_judged_by_its_artifact() -> None:
    crashed = WorkerReport(error="RuntimeError: late", exit_code=1)

    verdict = judge(replace(ENDED, ended_by="submitted", score=1.0, worker=crashed))

    assert verdict.outcome is Outcome.SUCCESS
