from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest

from fleetgym.contracts.scenario import Budget

if TYPE_CHECKING:
    from conftest import Lane

CHAT: dict[str, Any] = {
    "model": "test/model",
    "messages": [{"role": "user", "content": "Where is it?"}],
}


async def test_the_call_beyond_the_budget_ends_the_run(lane: Lane) -> None:
    run = lane.open(budget=Budget(model_calls=2))
    replies = [await lane.post(CHAT) for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 410, 410]
    assert [reply.json["error"]["code"] for reply in replies[2:]] == [
        "budget_exhausted",
        "run_over",
    ]
    reason = "This run is over: its budget of 2 model calls is spent. Stop."
    assert [reply.json["error"]["message"] for reply in replies[2:]] == [reason, reason]
    assert lane.over == ["model_calls"]
    assert [record.status for record in lane.records] == [200, 200, 410]
    assert run.totals.calls == 3


async def test_tokens_are_spent_by_all_agents_together(lane: Lane) -> None:
    run = lane.open()
    await lane.post(CHAT)
    spent = run.totals.tokens
    await lane.gateway.close("r1")

    run = lane.open(budget=Budget(tokens=2 * spent))
    statuses = [(await lane.post(CHAT, agent=agent)).status for agent in ("a", "b", "c")]
    assert statuses == [200, 200, 410]
    assert lane.over == ["tokens"]
    assert run.totals.tokens == 2 * spent


async def test_exactly_the_budget_is_not_too_much(lane: Lane) -> None:
    run = lane.open(budget=Budget(model_calls=1))
    assert (await lane.post(CHAT)).status == 200
    assert (run.over, lane.over) == (None, [])


async def test_agents_are_accounted_for_separately(lane: Lane) -> None:
    run = lane.open()
    for agent in ("planner", "writer", "planner"):
        await lane.post(CHAT, agent=agent)
    assert {agent: totals.calls for agent, totals in run.agents.items()} == {
        "planner": 2,
        "writer": 1,
    }
    assert run.totals.tokens == sum(totals.tokens for totals in run.agents.values())
    assert [record.agent for record in lane.records] == ["planner", "writer", "planner"]
    assert [record.index for record in lane.records] == [0, 1, 2]


async def test_a_client_does_not_retry_when_the_budget_is_spent(lane: Lane) -> None:
    lane.open(budget=Budget(model_calls=0))
    async with openai.AsyncOpenAI(
        base_url=lane.url(""), api_key="episode-token", max_retries=2
    ) as client:
        with pytest.raises(openai.APIStatusError) as refused:
            await client.chat.completions.create(
                model="test/model", messages=[{"role": "user", "content": "x"}]
            )
    assert (refused.value.status_code, refused.value.code) == (410, "budget_exhausted")
    assert len(lane.calls) == 1
