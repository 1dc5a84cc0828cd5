"""A tiny episode behind real HTTP, with its gateway and an expert, as a lane serves them."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiohttp import web

from fleetgym.contracts.condition import Condition
from fleetgym.contracts.policy import Plan, ReferencePolicy
from fleetgym.contracts.record import ModelCallRecord
from fleetgym.contracts.scenario import Budget
from fleetgym.contracts.team import Role
from fleetgym.contracts.tools import ToolCall
from fleetgym.episode import EpisodeRoutes, Session
from fleetgym.executors.connection import Job
from fleetgym.gateway import Gateway, GatewayRun, PolicyUpstream, Upstream
from fleetgym.policy import EXPERT

tiny: Any = importlib.import_module("tiny")  # the smallest environment, from `tests/env`

TOKEN = "episode-token"
ROLES = (
    Role(name="scout", summary="Looks", tools=("look",)),
    Role(name="clerk", summary="Hands in", tools=("submit",)),
)
SEED = 6
NUMBER = SEED * 7


class Seeker:
    """Looks where nothing is, then where the number is, and hands it in."""

    def plan(self, prompt: str) -> Plan:
        yield ToolCall("look", {"place": "nowhere"})
        result = yield ToolCall("look", {"place": "here", "depth": 2})
        yield ToolCall("submit", {"answer": json.dumps({"number": int(result.content)})})


def expert(policy: ReferencePolicy) -> PolicyUpstream:
    """Return a model that makes no mistakes at this policy."""
    return PolicyUpstream(policy, EXPERT, SEED)


@dataclass
class World:
    """One run's episode, open, and what the gateway has seen of it."""

    session: Session
    url: str
    home: Path
    server: web.AppRunner
    calls: list[ModelCallRecord] = field(default_factory=list[ModelCallRecord])
    requests: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])

    def job(self, topology: str = "single", **parameters: Any) -> Job:
        """Return the job of this run."""
        return Job(
            episode_url=self.url,
            token=TOKEN,
            topology=topology,
            parameters=parameters,
            home=str(self.home),
        )

    def private_job(self, **parameters: Any) -> Job:
        """Return the job of this run, in a network of its own."""
        return replace(self.job(**parameters), home="", port=self.port)

    @property
    def port(self) -> int:
        """Where the episode is."""
        return int(self.server.addresses[0][1])

    def seen(self) -> list[tuple[str, dict[str, Any], bool]]:
        """Return name, arguments and refusal of each tool call."""
        return [(s.name, s.arguments, s.is_error) for s in self.session.steps]


@asynccontextmanager
async def world(
    folder: Path,
    *,
    upstream: Upstream | None = None,
    steps: int = 8,
    condition: Condition | None = None,
    on_step: Callable[[Any], None] | None = None,
) -> AsyncGenerator[World]:
    """Serve one episode on a free port of this machine."""
    routes, gateway = EpisodeRoutes(), Gateway()
    app = web.Application()
    app.add_routes(routes.routes())
    app.add_routes(gateway.routes())
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    url = f"http://{host}:{port}/r/r1"
    env = tiny.tiny_env(
        folder / "instances",
        scenario=replace(tiny.SCENARIO, budget=Budget(steps=steps), team=ROLES),
        condition=condition,
    )
    threads = ThreadPoolExecutor(2)
    await asyncio.to_thread(env.reset, seed=SEED)
    session = Session(
        run_id="r1",
        token=TOKEN,
        env=env,
        seed=SEED,
        model={
            "name": "policy/expert",
            "base_url": f"{url}/a/{{agent}}/v1",
            "headers": {"x-test": "1"},
        },
        threads=threads,
        on_step=on_step or (lambda _: None),
    )
    home = folder / "home"
    home.mkdir()
    here = World(session, url, home, runner)

    def on_call(record: ModelCallRecord, request: Mapping[str, Any], _message: object) -> None:
        here.calls.append(record)
        here.requests.append(request)

    routes.open(session)
    gateway.open(
        GatewayRun(
            run_id="r1",
            token=TOKEN,
            model="policy/expert",
            upstream=upstream or expert(Seeker()),
            budget=session.budget,
            on_call=on_call,
            on_over=session.end,
        )
    )
    try:
        yield here
    finally:
        await gateway.close("r1")
        await runner.cleanup()
        threads.shutdown()
        env.close()
