"""What is said of how a team worked together."""

from __future__ import annotations

import pytest

from fleetgym.analysis.coordination import coordination, team_rows
from fleetgym.analysis.summary import grouped, summarize
from fleetgym.analysis.table import comparison_text
from fleetgym.analysis.trajectory import trajectory_text
from fleetgym.contracts.record import ModelCallRecord, Outcome, RunRecord, StepRecord, Usage
from synthetic import record


def played(
    what: str,
    outcome: Outcome = Outcome.NO_SUBMISSION,
    *,
    topology: str = "swarm",
    events: tuple[tuple[str, str, str, int, bool], ...] = (),
) -> RunRecord:
    """Return a run: a letter is a model call of that agent, a dot the step that it asked for."""
    calls: list[ModelCallRecord] = []
    steps: list[StepRecord] = []
    for moment, letter in enumerate(what):
        if letter == ".":
            steps.append(
                StepRecord(
                    index=len(steps), agent=calls[-1].agent, name="look", arguments={}, content="",
                    is_error=False, reward=0.0, started_s=float(moment), duration_s=0.1,
                )
            )  # fmt: skip
        else:
            calls.append(
                ModelCallRecord(
                    index=len(calls), agent=letter, started_s=float(moment), latency_s=0.5,
                    status=200, input_tokens=100, output_tokens=10, estimated=True,
                )
            )  # fmt: skip
    some = record(outcome=outcome)
    return some.model_copy(
        update={
            "key": some.key.model_copy(update={"topology": topology}),
            "model_calls": calls,
            "steps": steps,
            "team": ["a", "b", "c"],
            "usage": Usage(model_calls=len(calls), input_tokens=110 * len(calls)),
            "events": [
                {"kind": kind, "agent": sender, "at_s": 0.0,
                 "attributes": {"to": to, "size": size, "structured": structured}}
                for kind, sender, to, size, structured in events
            ],
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("what", "outcome", "tangles"),
    [
        ("a.b.c.", Outcome.SUCCESS, []),
        ("a.babcac.", Outcome.SUCCESS, []),
        ("a.bababc.", Outcome.SUCCESS, [("ping_pong", ("b", "a"), 1)]),
        ("a.baba.bc.", Outcome.SUCCESS, []),
        ("a.ccccccccc.b.", Outcome.SUCCESS, []),
        ("a.b.c.abc", Outcome.NO_SUBMISSION, []),
        ("a.b.c.abca", Outcome.NO_SUBMISSION, [("deadlock", ("a", "b", "c"), 3)]),
        ("a.b.c.aaaa", Outcome.BUDGET_EXHAUSTED, [("deadlock", ("a",), 3)]),
        ("a.b.", Outcome.FRAMEWORK_ERROR, [("starvation", ("c",), None)]),
        ("a.b.", Outcome.SUCCESS, []),
        (
            "ababab",
            Outcome.NO_SUBMISSION,
            [
                ("ping_pong", ("a", "b"), 0),
                ("deadlock", ("a", "b"), 0),
                ("starvation", ("c",), None),
            ],
        ),
    ],
)
def test_where_a_team_stuck_is_named_with_the_call_that_shows_it(
    what: str, outcome: Outcome, tangles: list[tuple[str, tuple[str, ...], int | None]]
) -> None:
    found = coordination(played(what, outcome))
    assert found is not None
    assert [(one.kind, one.agents, one.call) for one in found.tangles] == tangles


def test_calls_tokens_and_seconds_are_told_by_agent_and_words_by_form() -> None:
    found = coordination(
        played(
            "a.ab.",
            Outcome.SUCCESS,
            events=(("handoff", "a", "b", 40, True), ("message", "b", "all", 60, False)),
        )
    )
    assert found is not None
    assert (found.calls, found.tokens) == ({"a": 2, "b": 1}, {"a": 220, "b": 110})
    assert found.latency_s == {"a": 0.5, "b": 0.5}
    assert (found.handoffs, found.messages, found.characters, found.structured) == (1, 1, 100, 1)


def test_one_agent_alone_is_no_team() -> None:
    assert coordination(played("m.mmmmm", topology="single")) is None


def test_a_team_is_compared_with_the_same_framework_alone() -> None:
    runs = [played("a.b.c.", Outcome.SUCCESS), played("m.m.", Outcome.SUCCESS, topology="single")]
    (row,) = team_rows(grouped(runs))
    assert (row.pairs, row.more_calls, row.more_tokens) == (1, 1.0, 110.0)
    (alone,) = team_rows(grouped(runs[:1]))
    assert (alone.pairs, alone.more_calls, alone.structured) == (0, None, None)


def test_tables_show_teams_only_where_there_are_some() -> None:
    team, single = played("a.bababa"), played("m.m.", Outcome.SUCCESS, topology="single")
    text = comparison_text(summarize([team, single]), 120)
    assert "deadlock  ping_pong  starvation" in text
    assert "+5.0" in text
    assert "teams, per run" not in comparison_text(summarize([single]))
    told = trajectory_text(team)
    assert "ping_pong: b, a from model call 2" in told
    assert "starvation: c" in told
    assert "a: 4 model calls of 0.500 s" in told
