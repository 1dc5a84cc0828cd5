from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import openai
import pytest
from aiohttp import web

from fleetgym.gateway import OpenAIUpstream, Timeouts

if TYPE_CHECKING:
    from conftest import Lane, Provider

KEY = "sk-provider-0123456789"
CHAT: dict[str, Any] = {
    "model": "test/model",
    "messages": [{"role": "user", "content": "Where is it?"}],
}
STREAMED = {**CHAT, "stream": True}


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "c", "object": "chat.completion.chunk", "choices": [choice], "usage": None}


USAGE: dict[str, Any] = {
    "id": "c",
    "choices": [],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
}
ANSWER = [chunk({"role": "assistant", "content": "In "}), chunk({"content": "it."}, "stop"), USAGE]


class Script:
    """Streams what it is told to, and cuts the connection or not."""

    def __init__(self, *events: Any, cut: bool = False, done: bool = True) -> None:
        self._events = events
        self._cut = cut
        self._done = done

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        for event in self._events:
            if isinstance(event, asyncio.Event):
                await event.wait()
            else:
                text = event if isinstance(event, str) else json.dumps(event)
                await response.write(f"data: {text}\r\n\r\n".encode())
        if self._cut and request.transport is not None:
            request.transport.close()
        elif self._done:
            await response.write(b"data: [DONE]\n\n")
        return response


def answering(status: int, text: str, **headers: str) -> Any:
    async def respond(_request: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=text, headers=named)

    return respond


async def test_the_provider_gets_the_request_as_it_came_with_its_own_key_and_name(
    lane: Lane, provider: Provider, upstream: OpenAIUpstream
) -> None:
    lane.open(upstream)
    asked: dict[str, Any] = {
        **CHAT,
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "parallel_tool_calls": False,
        "response_format": {"type": "json_object"},
        "max_tokens": 5,
        "max_completion_tokens": 6,
        "seed": 1,
        "metadata": {"ä": "ö"},
    }
    reply = await lane.post(asked)
    assert reply.json["choices"][0]["message"]["content"] == "In the hall."
    assert provider.requests == [{**asked, "model": "real-name"}]
    assert provider.headers[0]["Authorization"] == f"Bearer {KEY}"
    (record,) = lane.records
    assert (record.input_tokens, record.output_tokens, record.estimated) == (11, 4, False)
    assert (record.status, record.finish_reason, record.error) == (200, "stop", None)


async def test_without_usage_from_the_provider_tokens_are_estimated(
    lane: Lane, provider: Provider, upstream: OpenAIUpstream
) -> None:
    message = {"role": "assistant", "content": "x" * 40}
    completion = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    provider.respond = answering(200, json.dumps(completion), Content_Type="application/json")
    lane.open(upstream)
    assert "usage" not in (await lane.post(CHAT)).json
    (record,) = lane.records
    assert (record.input_tokens, record.output_tokens, record.estimated) == (7, 15, True)


async def test_a_stream_is_passed_on_and_metered(
    lane: Lane, provider: Provider, upstream: OpenAIUpstream
) -> None:
    provider.respond = Script(*ANSWER)
    lane.open(upstream)
    async with openai.AsyncOpenAI(base_url=lane.url(""), api_key="episode-token") as client:
        stream: Any = await client.chat.completions.create(
            model="test/model", messages=[{"role": "user", "content": "x"}], stream=True
        )
        chunks = [piece async for piece in stream]
    assert "".join(piece.choices[0].delta.content for piece in chunks) == "In it."
    assert [piece.usage for piece in chunks] == [None, None]
    assert provider.requests[0]["stream_options"] == {"include_usage": True}
    (call,) = lane.calls
    assert call.message == {"role": "assistant", "content": "In it."}
    record = call.record
    assert (record.input_tokens, record.output_tokens, record.estimated) == (7, 3, False)
    assert (record.finish_reason, record.first_byte_s is None) == ("stop", False)


async def test_tool_calls_are_put_together_from_their_pieces(
    lane: Lane, provider: Provider, upstream: OpenAIUpstream
) -> None:
    def piece(index: int, **parts: Any) -> dict[str, Any]:
        return chunk({"tool_calls": [{"index": index, **parts}]})

    provider.respond = Script(
        piece(0, id="a", type="function", function={"name": "look", "arguments": ""}),
        piece(0, function={"arguments": '{"place": '}),
        piece(1, id="b", type="function", function={"name": "sniff", "arguments": "{}"}),
        piece(0, function={"arguments": '"hall"}'}),
        chunk({}, "tool_calls"),
    )
    lane.open(upstream)
    await lane.post(STREAMED)
    (call,) = lane.calls
    assert call.message is not None
    assert call.message["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "look", "arguments": HALL}},
        {"id": "b", "type": "function", "function": {"name": "sniff", "arguments": "{}"}},
    ]
    assert (call.record.tool_calls, call.record.finish_reason) == (["look", "sniff"], "tool_calls")


HALL = '{"place": "hall"}'


async def test_each_chunk_is_passed_on_when_it_comes(
    lane: Lane, provider: Provider, upstream: OpenAIUpstream
) -> None:
    first_seen = asyncio.Event()
    provider.respond = Script(ANSWER[0], first_seen, *ANSWER[1:])
    lane.open(upstream)
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer episode-token"}) as session:
        response = await session.post(lane.url(), json=STREAMED)
        assert b'"In "' in await response.content.readline()
        first_seen.set()
        assert (await response.text()).endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(Script(ANSWER[0], cut=True), id="connection cut"),
        pytest.param(Script(ANSWER[0], done=False), id="ended without a finish reason"),
        pytest.param(Script(ANSWER[0], "<html>"), id="not JSON"),
    ],
)
async def test_a_stream_that_breaks_off_breaks_off_for_the_framework_too(
    lane: Lane, provider: Provider, upstream: OpenAIUpstream, script: Script
) -> None:
    provider.respond = script
    lane.open(upstream)
    with pytest.raises(aiohttp.ClientPayloadError):
        await lane.post(STREAMED)
    (call,) = lane.calls
    assert call.message == {"role": "assistant", "content": "In "}
    assert call.record.error is not None
    assert (call.record.status, call.record.finish_reason) == (200, None)
    assert (call.record.estimated, call.record.output_tokens > 0) == (True, True)


async def test_a_stream_without_the_closing_mark_is_whole_when_it_has_a_finish_reason(
    lane: Lane, provider: Provider, upstream: OpenAIUpstream
) -> None:
    provider.respond = Script(*ANSWER, done=False)
    lane.open(upstream)
    assert (await lane.post(STREAMED)).text.endswith("data: [DONE]\n\n")
    assert lane.records[0].error is None


async def test_an_error_in_a_stream_reaches_the_framework_and_the_record(
    lane: Lane, provider: Provider, upstream: OpenAIUpstream
) -> None:
    provider.respond = Script(ANSWER[0], {"error": {"message": f"overloaded {KEY}"}})
    lane.open(upstream)
    reply = await lane.post(STREAMED)
    assert '{"error":{"message":"overloaded [redacted]"}}' in reply.text
    assert lane.records[0].error == "overloaded [redacted]"


async def test_a_framework_that_hangs_up_in_a_stream_is_recorded(
    lane: Lane, provider: Provider, upstream: OpenAIUpstream
) -> None:
    provider.respond = Script(ANSWER[0], asyncio.Event())
    lane.open(upstream)
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer episode-token"}) as session:
        response = await session.post(lane.url(), json=STREAMED)
        await response.content.readline()
        response.close()
        await provider.left.wait()
    await lane.gateway.close("r1")
    (record,) = lane.records
    assert (record.status, record.estimated) == (200, True)
    assert record.error == "the framework went away before it had the whole answer"


async def test_the_providers_error_is_passed_on_with_its_wait_and_without_its_key(
    lane: Lane, provider: Provider, upstream: OpenAIUpstream
) -> None:
    error = {"error": {"message": f"Slow down, {KEY}.", "type": "rate", "code": "rate_limit"}}
    provider.respond = answering(429, json.dumps(error), Retry_After="7", X_Other=KEY)
    lane.open(upstream)
    reply = await lane.post(STREAMED)
    assert (reply.status, reply.headers["Retry-After"]) == (429, "7")
    assert reply.json["error"] == {**error["error"], "message": "Slow down, [redacted]."}
    assert KEY not in str(reply.headers)
    (record,) = lane.records
    assert (record.status, record.error) == (429, "Slow down, [redacted].")
    assert (record.input_tokens, record.output_tokens) == (0, 0)


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        pytest.param((503, f"<h1>{KEY} is unavailable</h1>"), 503, id="HTML error"),
        pytest.param((500, ""), 500, id="empty error"),
        pytest.param((401, f'{{"detail": "bad {KEY}"}}'), 401, id="another form of error"),
        pytest.param((200, f"<h1>Log in, {KEY}</h1>"), 502, id="HTML instead of an answer"),
        pytest.param((200, "[1]"), 502, id="no object"),
        pytest.param((307, KEY), 502, id="redirection"),
    ],
)
async def test_whatever_the_provider_says_the_framework_gets_an_error_it_can_read(
    lane: Lane, provider: Provider, upstream: OpenAIUpstream, said: tuple[int, str], answered: int
) -> None:
    provider.respond = answering(*said, Location=f"{provider.base_url}/chat/completions")
    lane.open(upstream)
    reply = await lane.post(CHAT)
    assert reply.status == answered
    assert reply.json["error"]["message"]
    assert KEY not in reply.text + str(lane.records)
    assert len(provider.requests) == 1


async def test_an_answer_in_one_piece_where_a_stream_was_asked_for_is_an_error(
    lane: Lane, upstream: OpenAIUpstream
) -> None:
    lane.open(upstream)
    reply = await lane.post(STREAMED)
    assert (reply.status, "not the stream" in reply.json["error"]["message"]) == (502, True)


async def test_a_provider_that_is_down_is_a_bad_gateway(lane: Lane) -> None:
    async with aiohttp.ClientSession() as session:
        # Nothing listens on port 1.
        down = OpenAIUpstream(session, base_url="http://127.0.0.1:1/v1/", model="m", api_key=KEY)
        lane.open(down)
        reply = await lane.post(CHAT)
    assert reply.status == 502
    assert "connection to the model's endpoint failed" in reply.json["error"]["message"]
    assert (lane.records[0].status, lane.records[0].error) == (502, reply.json["error"]["message"])


async def test_a_provider_that_does_not_answer_in_time_is_a_gateway_timeout(
    lane: Lane, provider: Provider
) -> None:
    provider.respond = Script(asyncio.Event())
    async with aiohttp.ClientSession() as session:
        lane.open(
            OpenAIUpstream(
                session, base_url=provider.base_url, model="m", timeouts=Timeouts(read_s=0.05)
            )
        )
        provider.respond = never
        reply = await lane.post(CHAT)
    assert (reply.status, lane.records[0].status) == (504, 504)


async def never(_request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def test_the_retries_of_an_sdk_are_told_apart(
    lane: Lane, provider: Provider, upstream: OpenAIUpstream
) -> None:
    provider.respond = answering(500, "", retry_after_ms="1")
    lane.open(upstream)
    async with openai.AsyncOpenAI(
        base_url=lane.url(""), api_key="episode-token", max_retries=2
    ) as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(
                model="test/model", messages=[{"role": "user", "content": "x"}]
            )
    assert [record.sdk_retry for record in lane.records] == [0, 1, 2]
