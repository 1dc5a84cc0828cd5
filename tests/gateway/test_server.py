from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from fleetgym.contracts.errors import OperatorError

if TYPE_CHECKING:
    from conftest import Lane, Provider
    from fleetgym.gateway import ChatRequest, OpenAIUpstream

CHAT: dict[str, Any] = {
    "model": "test/model",
    "messages": [{"role": "user", "content": "Where is it?"}],
}


@pytest.mark.parametrize("token", ["", "wrong", "episode-toke", "épisode"])
async def test_a_wrong_token_is_turned_away_and_spends_nothing(lane: Lane, token: str) -> None:
    run = lane.open()
    reply = await lane.post(CHAT, token=token)
    assert (reply.status, reply.json["error"]["code"]) == (401, "invalid_api_key")
    assert (run.totals.calls, lane.calls) == (0, [])


async def test_a_token_opens_no_other_run(lane: Lane) -> None:
    lane.open()
    other = lane.open(run_id="r2")
    other.token = "another"
    headers = {"Authorization": "Bearer episode-token"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(lane.url("models", run_id="r2")) as response:
            assert response.status == 401
        async with session.get(lane.url("models")) as response:
            assert [model["id"] for model in (await response.json())["data"]] == ["test/model"]


@pytest.mark.parametrize(
    ("body", "status", "code", "says"),
    [
        pytest.param(b"{", 400, "invalid_json", "not valid JSON", id="cut"),
        pytest.param(b"\xff\xfe{}", 400, "invalid_json", "not valid JSON", id="not text"),
        pytest.param(b"[" * 90_000, 400, "invalid_json", "not valid JSON", id="nested too deep"),
        pytest.param(b"[]", 400, "invalid_request", "dictionary", id="no object"),
        pytest.param(
            {"messages": CHAT["messages"]}, 400, "invalid_request", "model: ", id="no model"
        ),
        pytest.param({**CHAT, "messages": []}, 400, "invalid_request", "messages: ", id="empty"),
        pytest.param({**CHAT, "tools": "x"}, 400, "invalid_request", "tools: ", id="tools"),
        pytest.param({**CHAT, "model": "x"}, 404, "model_not_found", "'test/model'", id="model"),
        pytest.param(b" " * 100_001, 413, "request_too_large", "100000 bytes", id="too large"),
    ],
)
async def test_what_is_no_chat_request_is_refused_in_openais_form_and_recorded(
    lane: Lane, body: object, status: int, code: str, says: str
) -> None:
    lane.open()
    reply = await lane.post(body)
    error = reply.json["error"]
    assert (reply.status, error["code"], error["type"]) == (status, code, "invalid_request_error")
    assert says in error["message"]
    (record,) = lane.records
    assert (record.status, record.error) == (status, error["message"])
    assert (record.input_tokens, record.output_tokens) == (0, 0)


async def test_a_body_that_grows_too_large_on_the_way_is_refused(lane: Lane) -> None:
    lane.open()

    async def endless() -> Any:
        for _ in range(11):
            yield b" " * 10_000

    headers = {"Authorization": "Bearer episode-token"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(lane.url(), data=endless(), headers=headers) as response,
    ):
        assert response.status == 413


async def test_an_agent_is_named_by_letters_digits_hyphens_and_underscores(lane: Lane) -> None:
    lane.open()
    for agent in ("a" * 41, "a%20b", "ä"):
        reply = await lane.post(CHAT, agent=agent)
        assert (reply.status, reply.json["error"]["code"]) == (400, "invalid_agent")


async def test_other_urls_are_answered_with_what_there_is(lane: Lane) -> None:
    lane.open()
    headers = {"Authorization": "Bearer episode-token"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for method, path in (("POST", "responses"), ("GET", "chat/completions")):
            async with session.request(method, lane.url(path)) as response:
                message = (await response.json())["error"]["message"]
                assert response.status == 404
                assert f"{method} .../v1/{path}" in message
                assert "POST /v1/chat/completions" in message


async def test_a_run_that_was_never_opened_or_is_closed_is_not_found(lane: Lane) -> None:
    assert (await lane.post(CHAT)).status == 404
    lane.open()
    assert (await lane.post(CHAT)).status == 200
    await lane.gateway.close("r1")
    await lane.gateway.close("r1")
    reply = await lane.post(CHAT)
    assert (reply.status, reply.json["error"]["code"]) == (404, "run_not_found")


async def test_a_run_cannot_be_open_twice(lane: Lane) -> None:
    lane.open()
    with pytest.raises(OperatorError, match="'r1' is open"):
        lane.open()


async def test_an_ended_run_is_gone_for_its_framework(lane: Lane) -> None:
    lane.open().end("its 120 seconds are spent")
    reply = await lane.post(CHAT)
    assert (reply.status, reply.json["error"]["code"]) == (410, "run_over")
    assert reply.json["error"]["message"] == "This run is over: its 120 seconds are spent. Stop."
    assert lane.calls == []


async def test_closing_a_run_breaks_off_what_is_being_asked_and_records_it(
    lane: Lane, provider: Provider, upstream: OpenAIUpstream
) -> None:
    async def never(_request: object) -> Any:
        await asyncio.Event().wait()

    provider.respond = never
    lane.open(upstream)
    asking = asyncio.create_task(lane.post(CHAT))
    await provider.asked.wait()
    await lane.gateway.close("r1")
    (record,) = lane.records
    assert (record.status, record.input_tokens > 0, record.output_tokens) == (499, True, 0)
    with pytest.raises(aiohttp.ClientError):
        await asking
    await provider.left.wait()


async def test_a_framework_that_hangs_up_is_recorded_and_the_model_is_told(
    lane: Lane, provider: Provider, upstream: OpenAIUpstream
) -> None:
    async def never(_request: object) -> Any:
        await asyncio.Event().wait()

    provider.respond = never
    lane.open(upstream)
    asking = asyncio.create_task(lane.post(CHAT))
    await provider.asked.wait()
    asking.cancel()
    await provider.left.wait()
    await lane.gateway.close("r1")
    (record,) = lane.records
    assert record.status == 499
    assert record.error == "the framework went away before it had the whole answer"


async def test_a_defect_is_answered_without_a_traceback(
    lane: Lane, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def answer(self, request: ChatRequest) -> Any:
            raise ZeroDivisionError(f"secret {request.agent}")

    lane.open(Broken())
    reply = await lane.post(CHAT)
    assert (reply.status, lane.records[0].status) == (500, 500)
    assert "ZeroDivisionError" not in reply.text
    assert "secret" not in reply.text
    assert "ZeroDivisionError" in caplog.text


async def test_the_lane_hears_what_the_model_said_before_the_framework_does(lane: Lane) -> None:
    lane.open()
    headers = {"Authorization": "Bearer episode-token"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(lane.url(), json={**CHAT, "stream": True}) as response,
    ):
        heard = [len(lane.calls) async for line in response.content if line == b"data: [DONE]\n"]
    assert heard == [1]
    assert lane.calls[0].request == {**CHAT, "stream": True}
