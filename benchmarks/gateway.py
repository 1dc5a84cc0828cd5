"""What the gateway adds to a model request: `python benchmarks/gateway.py`.

Asks a local OpenAI-compatible server directly, then through the gateway, then a reference policy
through the gateway, in turns and over connections that stay open, and prints the medians side by
side. Everything runs in one process, so the figures are an upper bound: client, gateway and
provider share one core. Takes a few seconds.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from fleetgym.contracts.scenario import Budget
from fleetgym.contracts.tools import ToolCall
from fleetgym.gateway import Gateway, GatewayRun, OpenAIUpstream, PolicyUpstream
from fleetgym.policy import EXPERT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from fleetgym.contracts.policy import Plan
    from fleetgym.gateway import Upstream

ROUNDS = 300
WARM_UP = 20
STEPS = 14
RESULT = json.dumps({"rows": [{"column": "v" * 60, "n": n} for n in range(200)]})
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "d" * 300,
            "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
        },
    }
    for name in ("read", "submit")
]


class Reader:
    """Makes a number of calls and parses each result."""

    def plan(self, prompt: str) -> Plan:  # noqa: ARG002
        """Read page after page."""
        for n in range(STEPS + 1):
            result = yield ToolCall("read", {"n": n})
            json.loads(result.content)


async def provide(request: web.Request) -> web.Response:
    """Answer as a provider of no latency would."""
    await request.read()
    message = {"role": "assistant", "content": "x" * 200}
    return web.json_response(
        {
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
    )


def chat(steps: int) -> bytes:
    """Return the request of an agent that has made some calls."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "task " * 200}]
    for n in range(steps):
        function = {"name": "read", "arguments": json.dumps({"n": n})}
        call = {"id": f"call_{n}", "type": "function", "function": function}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"call_{n}", "content": RESULT})
    return json.dumps({"model": "m", "messages": messages, "tools": TOOLS}).encode()


@asynccontextmanager
async def serving(routes: list[web.RouteDef]) -> AsyncGenerator[str]:
    """Serve on a free port; yield the origin."""
    app = web.Application(client_max_size=64 * 1024**2)
    app.add_routes(routes)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


def opened(gateway: Gateway, name: str, upstream: Upstream) -> None:
    """Open a run that nothing ends."""
    gateway.open(
        GatewayRun(
            run_id=name,
            token="t",
            model="m",
            upstream=upstream,
            budget=Budget(model_calls=10**9, tokens=10**12),
            on_call=lambda _record, _request, _message: None,
            on_over=lambda _reason: None,
        )
    )


async def measure(urls: dict[str, str], body: bytes) -> dict[str, float]:
    """Return the median milliseconds of a request to each URL, asked in turns."""
    headers = {"Authorization": "Bearer t", "Content-Type": "application/json"}
    times: dict[str, list[float]] = {name: [] for name in urls}
    async with aiohttp.ClientSession(headers=headers) as session:
        for _ in range(WARM_UP + ROUNDS):
            for name, url in urls.items():
                started = time.perf_counter()
                async with session.post(url, data=body) as response:
                    await response.read()
                    assert response.status == 200, await response.text()
                times[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(taken[WARM_UP:]) for name, taken in times.items()}


async def main() -> None:
    """Measure short and long conversations, and print a table."""
    async with AsyncExitStack() as stack:
        gateway = Gateway()
        provider = await stack.enter_async_context(
            serving([web.post("/v1/chat/completions", provide)])
        )
        origin = await stack.enter_async_context(serving(gateway.routes()))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        upstream = OpenAIUpstream(session, base_url=f"{provider}/v1", model="m", api_key="k")
        opened(gateway, "pass", upstream)
        opened(gateway, "policy", PolicyUpstream(Reader(), EXPERT, 0))
        urls = {
            "provider, directly": f"{provider}/v1/chat/completions",
            "provider, through the gateway": f"{origin}/r/pass/a/main/v1/chat/completions",
            "policy, through the gateway": f"{origin}/r/policy/a/main/v1/chat/completions",
        }
        for steps in (0, STEPS):
            body = chat(steps)
            medians = await measure(urls, body)
            direct = medians["provider, directly"]
            print(f"{steps} tool results, request of {len(body) / 1000:.0f} kB")
            for name, median in medians.items():
                print(f"  {name:30} p50 {median:6.2f} ms  x{median / direct:.2f}")


if __name__ == "__main__":
    asyncio.run(main())
