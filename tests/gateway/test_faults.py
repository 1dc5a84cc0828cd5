"""What a client on the OpenAI SDK meets when its model is in trouble on purpose."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest

from fleetgym.conditions.schedule import Schedule
from fleetgym.contracts.faults import ModelFault
from fleetgym.gateway import FaultyUpstream, PolicyUpstream
from fleetgym.policy import EXPERT

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Lane
    from fleetgym.contracts.policy import Plan

from fleetgym.contracts.tools import ToolCall

TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {"place": {"type": "string"}, "depth": {"type": "integer"}},
                "required": ["place"],
            },
        },
    }
    for name in ("look", "submit")
]
START: list[Any] = [{"role": "user", "content": "Where is it?"}]
ARGUMENTS = '{"depth": 2, "place": "hall"}'


class TwoLooks:
    """Looks into the hall, then into the cellar."""

    def plan(self, prompt: str) -> Plan:
        yield ToolCall("look", json.loads(ARGUMENTS))
        yield ToolCall("look", {"place": "cellar"})


def opened(lane: Lane, **fault: Any) -> str:
    """Open a run whose requests meet the fault; return its base URL."""
    upstream = PolicyUpstream(TwoLooks(), EXPERT, 0)
    schedule = Schedule([ModelFault.model_validate(fault)], "test", 0)
    lane.open(FaultyUpstream(upstream, schedule))
    return lane.url("")


def ask(
    base_url: str, messages: list[Any] = START, *, streamed: bool = False, **more: Any
) -> dict[str, Any]:
    """Return the first choice of an answer, as the SDK understands it."""
    sdk: Any = openai.OpenAI(base_url=base_url, api_key="episode-token", max_retries=0, **more)
    with sdk as client:
        asked: dict[str, Any] = {"model": "test/model", "messages": messages, "tools": TOOLS}
        if not streamed:
            completion = client.chat.completions.create(**asked)
        else:
            with client.chat.completions.stream(**asked) as stream:
                completion = stream.get_final_completion()
    return completion.choices[0].to_dict()


def the_call(choice: dict[str, Any]) -> tuple[str, str]:
    function = choice["message"]["tool_calls"][0]["function"]
    return function["name"], function["arguments"]


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("rate_limit", openai.RateLimitError, 429),
        ("server_error", openai.InternalServerError, 500),
    ],
)
async def test_a_request_is_refused_and_costs_nothing(
    lane: Lane, fault: str, error: type[Exception], status: int
) -> None:
    url = opened(lane, fault=fault, at=[1], retry_after_s=0.5)
    with pytest.raises(error) as raised:
        await asyncio.to_thread(ask, url)
    if fault == "rate_limit":
        error_raised: Any = raised.value
        assert error_raised.response.headers["retry-after"] == "0.5"
    await asyncio.to_thread(ask, url)
    refused, answered = lane.records
    assert (refused.status, refused.fault, refused.input_tokens) == (status, fault, 0)
    assert (answered.status, answered.fault) == (200, "")
    assert answered.input_tokens > 0


async def test_a_model_that_hangs_is_left_by_those_who_do_not_wait(lane: Lane) -> None:
    url = opened(lane, fault="time_out", at=[1], seconds=30)
    with pytest.raises(openai.APITimeoutError):
        await asyncio.to_thread(ask, url, timeout=0.2)
    await lane.gateway.close("r1")  # when this returns, what was being served is recorded
    assert (lane.records[0].status, lane.records[0].fault) == (499, "time_out")


async def test_those_who_wait_for_a_model_that_hangs_are_told_in_the_end(lane: Lane) -> None:
    with pytest.raises(openai.InternalServerError, match="did not answer in time"):
        await asyncio.to_thread(ask, opened(lane, fault="time_out", at=[1], seconds=0.1))
    assert lane.records[0].status == 504


async def test_a_slow_answer_is_the_answer(lane: Lane) -> None:
    choice = await asyncio.to_thread(ask, opened(lane, fault="slow", at=[1], seconds=0.2))
    assert the_call(choice) == ("look", ARGUMENTS)
    assert lane.records[0].fault == "slow"
    assert lane.records[0].latency_s > 0.2


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_connection_breaks_in_the_middle_of_the_answer(lane: Lane, streamed: bool) -> None:
    url = opened(lane, fault="cut_off", at=[1])
    with pytest.raises((openai.APIConnectionError, httpx.RemoteProtocolError)):
        await asyncio.to_thread(ask, url, streamed=streamed)
    choice = await asyncio.to_thread(ask, url, streamed=streamed)
    assert the_call(choice)[0] == "look"
    broken, whole = lane.records
    assert (broken.fault, whole.fault) == ("cut_off", "")
    # The model had answered: that is what it costs.
    assert broken.input_tokens == whole.input_tokens


async def test_a_proxy_answers_with_a_page(lane: Lane) -> None:
    url = opened(lane, fault="html", at=[1])
    async with httpx.AsyncClient(verify=False) as client:
        reply = await client.post(
            f"{url}chat/completions",
            json={"model": "test/model", "messages": START},
            headers={"Authorization": "Bearer episode-token"},
        )
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert reply.text.startswith("<!DOCTYPE html>")
    assert (lane.records[0].fault, lane.records[0].input_tokens) == ("html", 0)


async def test_an_answer_without_choices(lane: Lane) -> None:
    with pytest.raises(IndexError):
        await asyncio.to_thread(ask, opened(lane, fault="no_choices", at=[1]))
    assert (lane.records[0].status, lane.records[0].fault) == (200, "no_choices")


def empty(choice: dict[str, Any]) -> bool:
    return not choice["message"].get("content") and not choice["message"].get("tool_calls")


def broken_off(choice: dict[str, Any]) -> bool:
    name, arguments = the_call(choice)
    return name == "look" and arguments == ARGUMENTS[: len(ARGUMENTS) // 2]


def without_place(choice: dict[str, Any]) -> bool:
    return the_call(choice) == ("look", '{"depth": 2}')


def not_offered(choice: dict[str, Any]) -> bool:
    return the_call(choice) == ("look_v2", ARGUMENTS)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("fault", "reason", "befallen"),
    [
        ("empty_message", "stop", empty),
        ("malformed_arguments", "tool_calls", broken_off),
        ("missing_argument", "tool_calls", without_place),
        ("unknown_tool", "tool_calls", not_offered),
    ],
)
async def test_an_answer_is_not_what_the_model_meant(
    lane: Lane,
    fault: str,
    reason: str,
    befallen: Callable[[dict[str, Any]], bool],
    streamed: bool,
) -> None:
    url = opened(lane, fault=fault, at=[1])
    choice = await asyncio.to_thread(ask, url, streamed=streamed)
    assert befallen(choice)
    assert choice["finish_reason"] == reason
    assert lane.records[0].fault == fault


async def test_an_answer_is_cut_at_the_length_limit(lane: Lane) -> None:
    choice = await asyncio.to_thread(ask, opened(lane, fault="truncated", at=[1]))
    assert broken_off(choice)
    assert choice["finish_reason"] == "length"


def after(*places: str) -> list[Any]:
    """Return a conversation in which these places have been looked at."""
    messages = list(START)
    for number, place in enumerate(places):
        function = {"name": "look", "arguments": json.dumps({"place": place})}
        call = {"id": f"c{number}", "type": "function", "function": function}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{number}", "content": "nothing"},
        ]
    return messages


@pytest.mark.parametrize(
    ("fault", "before", "place"),
    [
        ("repeat", ("hall", "cellar"), "cellar"),
        ("circle", ("hall", "cellar"), "hall"),
        ("circle", ("hall", "cellar", "hall"), "cellar"),
        ("circle", ("hall", "hall"), "hall"),
    ],
)
async def test_a_model_goes_round_and_round(
    lane: Lane, fault: str, before: tuple[str, ...], place: str
) -> None:
    choice = await asyncio.to_thread(ask, opened(lane, fault=fault, since=1), after(*before))
    assert json.loads(the_call(choice)[1]) == {"place": place}
    assert lane.records[0].fault == fault


@pytest.mark.parametrize("fault", ["repeat", "circle"])
async def test_a_fault_that_cannot_happen_is_not_recorded(lane: Lane, fault: str) -> None:
    choice = await asyncio.to_thread(ask, opened(lane, fault=fault, since=1))
    assert the_call(choice) == ("look", ARGUMENTS)
    assert not lane.records[0].fault


async def test_equal_seeds_meet_equal_faults(lane: Lane) -> None:
    met: list[list[str]] = []
    for number in range(2):
        upstream = PolicyUpstream(TwoLooks(), EXPERT, 0)
        faults = [ModelFault.model_validate({"fault": "server_error", "share": 0.5})]
        lane.open(FaultyUpstream(upstream, Schedule(faults, "test", 7)), run_id=f"r{number}")
        lane.calls.clear()
        for _ in range(20):
            await _asked(lane, f"r{number}")
        met.append([record.fault for record in lane.records])
    assert met[0] == met[1]
    assert 4 < sum(map(bool, met[0])) < 16


async def _asked(lane: Lane, run_id: str) -> None:
    async with httpx.AsyncClient(verify=False) as client:
        await client.post(
            lane.url(run_id=run_id),
            json={"model": "test/model", "messages": START, "tools": TOOLS},
            headers={"Authorization": "Bearer episode-token"},
        )
