"""What is said of a framework's reaction follows from requests and calls alone."""

from __future__ import annotations

from typing import Any

import pytest

from fleetgym.contracts.record import (
    FaultRecord,
    FindingRecord,
    ModelCallRecord,
    StepRecord,
    WorkerReport,
)
from fleetgym.runner.reactions import reactions

FINE = WorkerReport(exit_code=0)
BROKEN = WorkerReport(exit_code=1, error="ValueError: no")


class Story:
    """Requests and calls, one a second."""

    def __init__(self) -> None:
        self.calls: list[ModelCallRecord] = []
        self.asked: list[str] = []
        self.steps: list[StepRecord] = []
        self.now = 0.0

    def ask(self, what: str, fault: str = "", *, status: int = 200, agent: str = "main") -> Story:
        self.calls.append(
            ModelCallRecord(
                index=len(self.calls),
                agent=agent,
                started_s=self.now,
                latency_s=0.25,
                status=status,
                input_tokens=1,
                output_tokens=1,
                estimated=True,
                fault=fault,
            )
        )
        self.asked.append(what)
        self.now += 1
        return self

    def call(self, place: str, fault: str = "", *, failed: bool = False, **more: Any) -> Story:
        found = [FindingRecord(kind="injected", step=len(self.steps), fault=fault)]
        self.steps.append(
            StepRecord(
                index=len(self.steps),
                agent=more.get("agent", "main"),
                name=more.get("name", "look"),
                arguments={"place": place},
                content="",
                is_error=failed,
                reward=0.0,
                findings=found if fault else [],
                started_s=self.now,
                duration_s=0.25,
            )
        )
        self.now += 1
        return self

    def told(self, worker: WorkerReport = FINE, ended_by: str = "worker") -> list[FaultRecord]:
        return reactions(self.calls, self.asked, self.steps, worker, ended_by=ended_by)


def brief(record: FaultRecord) -> tuple[int, int, str, bool]:
    return record.injected, record.attempts, record.reaction.value, record.recovered


def test_nothing_went_wrong() -> None:
    assert Story().ask("a").call("hall").ask("b").told() == []


def test_an_equal_request_is_a_retry() -> None:
    story = Story().ask("a", "server_error", status=500).ask("a").call("hall").ask("b")
    (record,) = story.told()
    assert brief(record) == (1, 2, "retried", True)
    assert record.waited_s == pytest.approx(0.75)


def test_faults_in_a_row_are_one_incident() -> None:
    story = Story().ask("a", "server_error", status=500).ask("a", "server_error", status=500)
    assert list(map(brief, story.told(BROKEN))) == [(2, 2, "raised", False)]


def test_faults_of_different_requests_are_two() -> None:
    story = Story().ask("a", "slow").call("hall").ask("b", "slow").call("attic").ask("c")
    assert list(map(brief, story.told())) == [
        (1, 1, "went_on", True),  # a late answer is an answer
        (1, 1, "went_on", True),
    ]


def test_a_model_in_a_loop_is_one_incident() -> None:
    story = Story().ask("a", "repeat").call("hall").ask("b", "repeat").call("hall")
    assert list(map(brief, story.told())) == [(2, 1, "ended", False)]


@pytest.mark.parametrize(
    ("worker", "ended_by", "reaction"),
    [
        (FINE, "worker", "ended"),
        (BROKEN, "worker", "raised"),
        (WorkerReport(signal=9), "worker", "raised"),
        (WorkerReport(signal=9, killed=True), "worker", "stopped"),
        (FINE, "seconds", "stopped"),
    ],
)
def test_a_run_ends_with_the_fault(worker: WorkerReport, ended_by: str, reaction: str) -> None:
    (record,) = Story().ask("a", "empty_message").told(worker, ended_by)
    assert brief(record) == (1, 1, reaction, False)


def test_the_model_is_told_of_what_it_did_wrong() -> None:
    story = Story().ask("a", "malformed_arguments").ask("a and the error").call("hall").ask("b")
    assert list(map(brief, story.told())) == [(1, 1, "went_on", True)]


def test_a_fault_after_the_submission_costs_nothing() -> None:
    story = Story().ask("a").call("all", name="submit").ask("b", "empty_message")
    assert list(map(brief, story.told())) == [(1, 1, "ended", True)]


def test_a_tool_is_called_again_without_the_model() -> None:
    story = Story().ask("a").call("hall", "unreachable", failed=True).call("hall").ask("b")
    (record,) = story.told()
    assert brief(record) == (1, 2, "retried", True)
    assert record.plane == "tool"


def test_a_tool_is_called_again_by_the_model() -> None:
    story = Story().ask("a").call("hall", "error", failed=True).ask("b").call("hall").ask("c")
    assert list(map(brief, story.told())) == [(1, 2, "went_on", True)]


def test_a_tool_that_raises_ends_the_run() -> None:
    story = Story().ask("a").call("hall", "unreachable", failed=True).call("attic")
    (record,) = story.told(BROKEN)
    # The other call was made at the same time: that is no recovery by the framework's doing.
    assert record.reaction == "raised"


def test_in_a_team_the_others_go_on() -> None:
    story = Story().ask("a", "empty_message", agent="scout").ask("x", agent="lead")
    story.call("hall", agent="lead").ask("y", agent="lead")
    assert list(map(brief, story.told())) == [(1, 1, "went_on", True)]
