from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from fleetgym.conditions.faults import Faults
from fleetgym.contracts.episode import Event
from fleetgym.contracts.errors import EpisodeOver, OperatorError, SandboxError, ToolUnreachable
from fleetgym.contracts.faults import FaultPlan
from fleetgym.contracts.tools import ToolResult
from fleetgym.worker import HttpEpisode
from world import NUMBER, SEED, TOKEN, world

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from world import World


async def play(here: World, moves: Callable[[HttpEpisode], Any], token: str = TOKEN) -> Any:
    """Connect and move on a thread, as a framework does in its process."""

    def connected() -> Any:
        with HttpEpisode(here.url, token) as episode:
            return moves(episode)

    return await asyncio.to_thread(connected)


async def test_the_brief_says_what_the_env_says(here: World) -> None:
    episode = await play(here, lambda episode: episode)
    assert episode.brief == here.session.brief
    assert episode.budget == here.session.budget
    assert episode.seed == SEED


async def test_each_agent_has_an_endpoint_of_its_own(here: World) -> None:
    endpoint = await play(here, lambda episode: episode.model("critic"))
    assert endpoint.base_url == f"{here.url}/a/critic/v1"
    assert (endpoint.api_key, endpoint.model) == (TOKEN, "policy/expert")
    assert endpoint.headers == {"x-test": "1"}


async def test_a_wrong_call_is_a_result(here: World) -> None:
    result = await play(here, lambda episode: episode.call("look", {"place": "nowhere"}))
    assert result == ToolResult("Error: There is nothing there; look at 'here'.", is_error=True)


async def test_what_is_too_large_is_a_wrong_call(here: World) -> None:
    result = await play(here, lambda episode: episode.call("look", {"place": "x" * 2_000_000}))
    assert result.is_error
    assert result.content.startswith("Error: ")


async def test_a_refused_artifact_is_not_submitted(here: World) -> None:
    def moves(episode: HttpEpisode) -> list[Any]:
        refused = episode.submit("no JSON")
        before = episode.submitted
        accepted = episode.submit({"number": NUMBER})
        return [refused.is_error, before, accepted.is_error, episode.submitted]

    assert await play(here, moves) == [True, False, False, True]


async def test_calling_submit_is_submitting(here: World) -> None:
    def moves(episode: HttpEpisode) -> bool:
        episode.call("submit", {"answer": json.dumps({"number": NUMBER})})
        return episode.submitted

    assert await play(here, moves) is True


async def test_events_reach_the_record(here: World) -> None:
    event = Event(kind="handoff", agent="main", attributes={"to": "critic"})
    await play(here, lambda episode: episode.emit(event))
    assert [(e["kind"], e["attributes"]) for e in here.session.events] == [
        ("handoff", {"to": "critic"})
    ]


async def test_whoever_goes_on_after_the_end_is_told_to_stop(here: World) -> None:
    def moves(episode: HttpEpisode) -> None:
        episode.submit({"number": NUMBER})
        with pytest.raises(EpisodeOver, match=r"over \(submitted\)"):
            episode.call("look", {"place": "here"})

    await play(here, moves)


async def test_a_failed_sandbox_is_no_result(here: World) -> None:
    def moves(episode: HttpEpisode) -> None:
        with pytest.raises(SandboxError, match="void"):
            episode.call("look", {"place": "broken"})

    await play(here, moves)


async def test_a_wrong_token_is_said_to_be_wrong(here: World) -> None:
    with pytest.raises(OperatorError, match="status 401: The token is missing or wrong"):
        await play(here, lambda _: None, token="guessed")


async def test_a_server_that_hangs_up_is_named() -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    app = web.Application()
    app.router.add_get("/brief", hang_up)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        with pytest.raises(OperatorError, match=f"{url} does not answer"):
            await asyncio.to_thread(HttpEpisode, url, TOKEN)


async def test_a_tool_that_cannot_be_reached_raises_and_the_episode_goes_on(tmp_path: Path) -> None:
    plan = FaultPlan.model_validate({"tools": [{"fault": "unreachable", "at": [1]}]})

    def moves(episode: HttpEpisode) -> ToolResult:
        with pytest.raises(ToolUnreachable, match="Connection failed: the tool server could not"):
            episode.call("look", {"place": "here"})
        return episode.call("look", {"place": "here"})

    async with world(tmp_path, condition=Faults("faults/test", plan)) as here:
        assert await play(here, moves) == ToolResult(str(NUMBER))
    assert [step.is_error for step in here.session.steps] == [True, False]
