"""A gateway behind a real socket, and a small OpenAI-compatible server to put behind it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from fleetgym.contracts.scenario import Budget
from fleetgym.contracts.tools import ToolCall
from fleetgym.gateway import Gateway, GatewayRun, OpenAIUpstream, PolicyUpstream, Upstream
from fleetgym.policy import EXPERT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from fleetgym.contracts.policy import Plan
    from fleetgym.contracts.record import ModelCallRecord

PROVIDER_KEY = "sk-provider-0123456789"
TOKEN = "episode-token"
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "real-name",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "In the hall."},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15},
}


class TwoPlaces:
    """Looks into the hall, then submits what was there."""

    def plan(self, prompt: str) -> Plan:
        result = yield ToolCall("look", {"place": "hall"})
        yield ToolCall("submit", {"answer": json.dumps({"found": result.content})})


@dataclass
class Call:
    """What the lane was told of one request."""

    record: ModelCallRecord
    request: Mapping[str, Any]
    message: Mapping[str, Any] | None


@dataclass
class Lane:
    """A gateway that is being served, and what it has reported."""

    gateway: Gateway
    origin: str
    calls: list[Call] = field(default_factory=list["Call"])
    over: list[str] = field(default_factory=list[str])

    def open(
        self, upstream: Upstream | None = None, *, run_id: str = "r1", budget: Budget | None = None
    ) -> GatewayRun:
        """Open a run; without an upstream, the expert of two places answers."""
        run = GatewayRun(
            run_id=run_id,
            token=TOKEN,
            model="test/model",
            upstream=upstream or PolicyUpstream(TwoPlaces(), EXPERT, 0),
            budget=budget or Budget(),
            on_call=lambda record, request, message: self.calls.append(
                Call(record, request, message)
            ),
            on_over=self.over.append,
        )
        self.gateway.open(run)
        return run

    def url(
        self, path: str = "chat/completions", *, run_id: str = "r1", agent: str = "main"
    ) -> str:
        """Return a URL of the gateway."""
        return f"{self.origin}/r/{run_id}/a/{agent}/v1/{path}"

    async def post(self, body: object, *, agent: str = "main", token: str = TOKEN) -> Reply:
        """Post a chat request as any HTTP client would."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url(agent=agent), data=data, headers=headers) as response,
        ):
            return Reply(response.status, dict(response.headers), await response.text())

    @property
    def records(self) -> list[ModelCallRecord]:
        """The records so far, in the order in which they came."""
        return [call.record for call in self.calls]


@dataclass
class Reply:
    """An answer over HTTP."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.text)


@dataclass
class Provider:
    """A small OpenAI-compatible server; ``respond`` is what the next requests are answered with."""

    base_url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    respond: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a request has come in."""

    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a request has been given up by the gateway."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Note what came, and answer it."""
        self.requests.append(await request.json())
        self.headers.append(dict(request.headers))
        self.asked.set()
        if self.respond is None:
            return web.json_response(COMPLETION)
        try:
            return await self.respond(request)
        except asyncio.CancelledError:
            self.left.set()
            raise


@asynccontextmanager
async def serving(routes: list[web.RouteDef]) -> AsyncGenerator[str]:
    """Serve routes on a free port of this machine; yield the origin."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


@pytest.fixture
async def lane() -> AsyncGenerator[Lane]:
    gateway = Gateway(max_body_bytes=100_000)
    async with serving(gateway.routes()) as origin:
        yield Lane(gateway, origin)


@pytest.fixture
async def provider() -> AsyncGenerator[Provider]:
    provider = Provider()
    async with serving([web.post("/v1/chat/completions", provider.handle)]) as origin:
        provider.base_url = f"{origin}/v1"
        yield provider


@pytest.fixture
async def upstream(provider: Provider) -> AsyncGenerator[OpenAIUpstream]:
    async with aiohttp.ClientSession() as session:
        yield OpenAIUpstream(
            session, base_url=provider.base_url, model="real-name", api_key=PROVIDER_KEY
        )
