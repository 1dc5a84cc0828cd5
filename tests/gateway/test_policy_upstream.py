from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest

from fleetgym.gateway import PolicyUpstream
from fleetgym.policy import ERRATIC

if TYPE_CHECKING:
    from conftest import Lane
    from fleetgym.contracts.policy import Plan

USER: Any = {"role": "user", "content": "Where is it?"}
TOOLS: Any = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("look", "submit")
]
FOUND = "a chest, " * 100


def converse(base_url: str, *, streamed: bool) -> list[Any]:
    """Run a small agent on the SDK until the model closes; return the assistant messages."""
    messages: list[Any] = [USER]
    said: list[Any] = []
    with openai.OpenAI(base_url=base_url, api_key="episode-token", max_retries=0) as client:
        while not said or said[-1].tool_calls:
            if streamed:
                with client.chat.completions.stream(
                    model="test/model",
                    messages=messages,
                    tools=TOOLS,
                    max_completion_tokens=100,
                    stream_options={"include_usage": True},
                ) as stream:
                    completion: Any = stream.get_final_completion()
            else:
                completion = client.chat.completions.create(
                    model="test/model", messages=messages, tools=TOOLS, max_tokens=100
                )
            assert completion.usage.total_tokens > 0
            message = completion.choices[0].message
            said.append(message)
            # The SDK's streaming helper adds fields of its own, which no framework sends back.
            calls = [call.to_dict() for call in message.tool_calls or ()]
            for call in calls:
                call["function"].pop("parsed_arguments", None)
                call.pop("index", None)
            messages.append({"role": "assistant", "content": message.content, "tool_calls": calls})
            messages += [
                {"role": "tool", "tool_call_id": call.id, "content": FOUND}
                for call in message.tool_calls or ()
            ]
    return said


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_agent_on_the_openai_sdk_is_led_through_the_plan(
    lane: Lane, *, streamed: bool
) -> None:
    lane.open()
    said = await asyncio.to_thread(converse, lane.url(""), streamed=streamed)
    functions = [call.function for message in said for call in message.tool_calls or ()]
    assert [(f.name, json.loads(f.arguments)) for f in functions] == [
        ("look", {"place": "hall"}),
        ("submit", {"answer": json.dumps({"found": FOUND})}),
    ]
    assert said[-1].content == "The answer is submitted."
    assert [record.tool_calls for record in lane.records] == [["look"], ["submit"], []]
    assert [record.finish_reason for record in lane.records] == ["tool_calls", "tool_calls", "stop"]
    assert [record.first_byte_s is not None for record in lane.records] == [streamed] * 3
    assert all(record.estimated for record in lane.records)


async def test_streamed_or_not_the_answer_and_its_cost_are_the_same(lane: Lane) -> None:
    messages: list[Any] = []
    costs: list[Any] = []
    for streamed in (False, True):
        lane.open()
        await asyncio.to_thread(converse, lane.url(""), streamed=streamed)
        await lane.gateway.close("r1")
        messages.append([call.message for call in lane.calls])
        costs.append([(r.input_tokens, r.output_tokens) for r in lane.records])
        lane.calls.clear()
    assert messages[0] == messages[1]
    assert costs[0] == costs[1]


async def test_the_recorded_tokens_are_those_the_framework_was_told(lane: Lane) -> None:
    lane.open()
    reply = await lane.post({"model": "test/model", "messages": [USER], "tools": TOOLS})
    usage = reply.json["usage"]
    (record,) = lane.records
    assert (record.input_tokens, record.output_tokens) == (
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )


async def test_usage_is_streamed_to_those_who_ask_for_it(lane: Lane) -> None:
    lane.open()
    chat = {"model": "test/model", "messages": [USER], "tools": TOOLS, "stream": True}
    with_usage = await lane.post({**chat, "stream_options": {"include_usage": True}})
    without = await lane.post(chat)
    assert ('"usage"' in with_usage.text, '"usage"' in without.text) == (True, False)
    assert with_usage.headers["Content-Type"] == "text/event-stream"
    assert without.text.endswith("data: [DONE]\n\n")


async def test_what_one_agent_asks_does_not_change_what_another_is_told(lane: Lane) -> None:
    chat = {"model": "test/model", "messages": [USER], "tools": TOOLS}
    lane.open()
    alone = [(await lane.post(chat, agent="b")).text for _ in range(3)]
    await lane.gateway.close("r1")
    lane.open()
    among = [(await lane.post(chat, agent=agent)).text for agent in ("a", "b", "a", "b", "a", "b")]
    assert among[1::2] == alone


async def test_a_chat_the_policy_cannot_read_is_the_frameworks_error(lane: Lane) -> None:
    lane.open()
    reply = await lane.post({"model": "test/model", "messages": [{"role": "user", "content": 5}]})
    assert (reply.status, "messages.0.content" in reply.json["error"]["message"]) == (400, True)


async def test_a_broken_policy_is_a_model_error(lane: Lane) -> None:
    class Broken:
        def plan(self, prompt: str) -> Plan:
            raise LookupError(f"no objective in {len(prompt)} characters")
            yield

    lane.open(PolicyUpstream(Broken(), ERRATIC, 0))
    reply = await lane.post({"model": "test/model", "messages": [USER], "tools": TOOLS})
    assert reply.status == 500
    assert lane.records[0].error == (
        "The reference policy failed on this prompt: LookupError: no objective in 12 characters."
    )
