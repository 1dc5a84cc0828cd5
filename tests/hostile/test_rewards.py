"""Ways to a score that do not lead through the task."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from arena import NOTHING

if TYPE_CHECKING:
    from arena import Arena

REWARDS = {"reward": 1.0, "score": 1.0, "checkpoints": {"C4_query_results": 1.0}}
LIES: dict[str, tuple[str, dict[str, Any], int]] = {
    "rewards beside arguments": ("/tools/list_kusto_tables", {"arguments": {}, **REWARDS}, 200),
    "rewards as arguments": ("/tools/list_kusto_tables", {"arguments": REWARDS}, 200),
    "facts beside arguments": (
        "/tools/list_kusto_tables",
        {"arguments": {}, "facts": {"kql": {"ok": True}}, "is_error": False, "said": "x"},
        200,
    ),
    "a hidden tool, grade_kql": ("/tools/grade_kql", {"arguments": {"query": "print 1"}}, 200),
    "a hidden tool, grade_sigma": ("/tools/grade_sigma", {"arguments": {"rule": "x"}}, 200),
    "a hidden tool in other case": ("/tools/GRADE_KQL", {"arguments": {"query": "print 1"}}, 200),
    "a hidden tool by an encoded name": ("/tools/grade%5fkql", {"arguments": {"query": "x"}}, 200),
    "a method of the tool server": ("/tools/tools%2fcall", {"arguments": {}}, 200),
    "a step": ("/step", {"reward": 1.0}, 404),
    "a reset": ("/reset", {"seed": 1}, 404),
    "a score": ("/score", REWARDS, 404),
    "the record": ("/record", REWARDS, 404),
    "an event that submits": ("/events", {"kind": "submit", "attributes": NOTHING}, 204),
    "an event that rewards": ("/events", {"kind": "checkpoint", "attributes": REWARDS}, 204),
    "an event that ends": (
        "/events",
        {"kind": "episode_over", "attributes": {"outcome": "success"}},
        204,
    ),
    "a submission through a tool of another name": (
        "/tools/Submit",
        {"arguments": {"answer": "{}"}},
        200,
    ),
    "a submission without an answer": ("/tools/submit", {"arguments": {}}, 200),
    "a submission with rewards": ("/tools/submit", {"arguments": {"answer": "{}", **REWARDS}}, 200),
    "a query that prints a grade": (
        "/tools/execute_kql_query",
        {"arguments": {"query": "print ok=true, reward=1.0, matched=dynamic({'x': [1]})"}},
        200,
    ),
    "a form that is right": (
        "/tools/validate_output_json",
        {"arguments": {"json_output": '{"valid": true, "score": 1.0}'}},
        200,
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_it_earns_nothing_and_no_reward_is_told(name: str, arena: Arena) -> None:
    path, body, status = LIES[name]
    episode = arena.visit()

    answer = episode.ask(path, body)

    assert answer.status == status, answer.text
    if "hidden" in name:
        assert answer.json["is_error"]
        assert "There is no tool" in answer.content
    record = episode.give_up()
    assert record.score == arena.earned
    assert sum(step.reward for step in record.steps) == pytest.approx(
        arena.earned.value if arena.earned else 0
    )


def test_of_many_submissions_at_once_one_counts(arena: Arena) -> None:
    episode = arena.visit()
    body = {"artifact": NOTHING}
    with ThreadPoolExecutor(16) as threads:
        asked = [threads.submit(episode.ask, "/submit", body) for _ in range(16)]
        answers = [one.result() for one in asked]

    assert [answer.status for answer in answers].count(200) == 1
    assert {answer.status for answer in answers} <= {200, 404, 410}
    record = episode.record()
    assert [step.name for step in record.steps].count("submit") == 1
    assert record.score == arena.earned


def test_more_requests_than_are_served_at_a_time_are_told_to_wait(arena: Arena) -> None:
    episode = arena.visit()
    slow = "range x from 1 to 30000000 step 1 | summarize dcount(hash(x))"
    with ThreadPoolExecutor(80) as threads:
        asked = [threads.submit(episode.call, "execute_kql_query", query=slow) for _ in range(80)]
        statuses = [answer.result().status for answer in asked]

    assert statuses.count(429) >= 80 - 32 - 10
    assert set(statuses) <= {200, 429}
    assert episode.give_up().score == arena.earned


def test_events_are_kept_up_to_a_size(arena: Arena) -> None:
    episode = arena.visit()
    before = arena.lane.resident_bytes()
    body = {"kind": "note", "attributes": {"text": "x" * 900_000}}

    statuses = [episode.ask("/events", body).status for _ in range(30)]

    assert statuses.count(204) == 9
    assert statuses[9:] == [400] * 21
    assert arena.lane.resident_bytes() - before < 64 * 1024**2
    assert episode.give_up().score == arena.earned


def test_steps_beyond_the_budget_end_the_episode(arena: Arena) -> None:
    episode = arena.visit(steps=3)
    statuses = [episode.call("list_kusto_tables").status for _ in range(5)]
    assert statuses[:2] == [200, 200]
    assert set(statuses[2:]) <= {404, 410}
    assert episode.record().outcome == "budget_exhausted"
