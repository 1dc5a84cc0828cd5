"""A lane: one process with its own gateway, episodes and sandboxes.

Lanes share nothing but the records directory and the warm framework processes, so no event loop
becomes the ceiling of a suite. A lane reads one JSON document a line from its standard input
(:class:`LaneConfig` first, then runs) and answers in the same way on its standard output. It ends
when its input ends, so none outlives the runner.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import platform
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp
from aiohttp import web

from fleetgym import environments, home
from fleetgym.conditions.faults import declared
from fleetgym.conditions.schedule import Schedule
from fleetgym.contracts.errors import FleetgymError, OperatorError
from fleetgym.contracts.faults import FaultPlan
from fleetgym.contracts.json import digest
from fleetgym.contracts.record import Outcome, RunKey, RunRecord
from fleetgym.contracts.scenario import Budget
from fleetgym.contracts.specs import load
from fleetgym.episode import EpisodeRoutes
from fleetgym.episode.foreign import last_line
from fleetgym.episode.routes import MAX_BODY
from fleetgym.gateway import FaultyUpstream, Gateway, OpenAIUpstream, PolicyUpstream
from fleetgym.records.redact import Redactor
from fleetgym.records.store import RunDirectory
from fleetgym.registry import Registry
from fleetgym.runner.attempt import Attempt
from fleetgym.sandboxes import provider
from fleetgym.telemetry.tracing import Tracing
from fleetgym.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.policy import ReferencePolicy
    from fleetgym.env import ToolEnv
    from fleetgym.episode import Session
    from fleetgym.executors.connection import Runs
    from fleetgym.gateway import Upstream
    from fleetgym.runner.attempt import Agent

__all__ = ["ATTEMPTS", "LOG", "Lane", "LaneConfig"]

ATTEMPTS = 3
"""How often a run is tried while it comes out void."""

LOG = "lane.log"
"""File in the records directory that takes what lanes print, and tracebacks."""

_LINE_LIMIT = 16 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneConfig:
    """What all runs of a lane have in common; JSON."""

    suite: str
    out: str
    """Absolute path of the records directory."""

    sandbox: str = "local"
    base_url: str | None = None
    """An OpenAI-compatible endpoint; None when models are reference policies."""

    api_key_variable: str = "OPENAI_API_KEY"
    """Environment variable with the provider's key."""

    port: int = 0
    """Of the lane's HTTP server on the loopback address; 0: a free one."""

    sockets: dict[str, str] = field(default_factory=dict[str, str])
    """Where each framework's warm process is reached."""

    isolate: str = "none"
    """Kind of isolation that the frameworks' processes have."""

    private_network: bool = False
    """Whether runs have a network of their own, in which this lane is to serve."""

    homes: str = ""
    """Directory that the runs' homes are made in, and that somebody else removes; empty: any."""

    faults: dict[str, dict[str, Any]] = field(default_factory=dict[str, "dict[str, Any]"])
    """Fault plans that the suite declares, by name."""

    isolation: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """What records have to say of the isolation, by framework."""


class Lane:
    """Holds what the attempts of a lane share."""

    def __init__(self, config: LaneConfig) -> None:
        """Load what runs need; nothing is opened before :meth:`serve`."""
        self.config = config
        self.key = os.environ.get(config.api_key_variable, "") if config.base_url else ""
        self.redactor = Redactor([self.key])
        self.directory = RunDirectory(Path(config.out), self.redactor)
        self.registry = Registry.discover(data=home.data_set())
        plans = {name: FaultPlan.model_validate(plan) for name, plan in config.faults.items()}
        self.registry.declare(declared(plans))
        self.tracing = Tracing(self.redactor, config.suite)
        self.threads = ThreadPoolExecutor(32, thread_name_prefix="episode")
        self.sandboxes = provider(config.sandbox)
        self.routes = EpisodeRoutes()
        self.gateway = Gateway()
        self.url = ""
        self._port = 0
        self._serving: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self._client: aiohttp.ClientSession | None = None
        self._connections: dict[str, Runs] = {}

    async def open(self) -> None:
        """Start the HTTP server on the loopback address.

        Raises:
            OperatorError: The port is taken.
        """
        app = web.Application(client_max_size=MAX_BODY)
        app.add_routes(self.routes.routes())
        app.add_routes(self.gateway.routes())
        # No limit of its own: what runs at once is the runner's to say.
        self._client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.config.port)
        try:
            await site.start()
        except OSError as error:
            raise OperatorError(
                f"Port {self.config.port} of 127.0.0.1 cannot be used: {error.strerror}. "
                "Choose another one, or 0 for any that is free."
            ) from error
        host, port = self._runner.addresses[0][:2]
        self.url, self._port = f"http://{host}:{port}", int(port)

    async def close(self) -> None:
        """Stop serving, end sandboxes, send the last spans."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._client is not None:
            await self._client.close()
        self.sandboxes.close()
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.tracing.shutdown()

    def make_env(self, key: RunKey) -> ToolEnv:
        """Return the env of a run, with its budget."""
        return environments.make(
            self.registry,
            key.scenario,
            sandboxes=self.sandboxes,
            grader=key.grader,
            condition=key.condition,
            budget=Budget(**key.budget) if key.budget else None,  # pyright: ignore[reportArgumentType]
        )

    def policy(self, environment: str) -> ReferencePolicy:
        """Return the expert of an environment."""
        return load(self.registry.environment(environment).policy)()

    def upstream(self, key: RunKey, env: ToolEnv) -> Upstream:
        """Return who answers the chat requests of a run, in trouble where its condition says so."""
        upstream = self.model(key, env.scenario.environment)
        condition = env.condition
        if condition is None or not condition.faults.model:
            return upstream
        name = f"{condition.name}/{key.scenario}/model"
        return FaultyUpstream(upstream, Schedule(condition.faults.model, name, key.seed))

    def model(self, key: RunKey, environment: str) -> Upstream:
        """Return who answers when nothing goes wrong."""
        if self.config.base_url is not None:
            assert self._client is not None, "the lane is open"
            return OpenAIUpstream(
                self._client, base_url=self.config.base_url, model=key.model, api_key=self.key
            )
        profile = load(self.registry.model(key.model).entry_point)
        # Of the scenario, too: else a model that errs on one errs at the same answer of them all.
        luck = int(digest([key.scenario, key.seed])[:12], 16)
        return PolicyUpstream(self.policy(environment), profile, luck)

    async def spawn(self, key: RunKey, session: Session, home: Path) -> Agent:
        """Start the framework's process for one run."""
        from fleetgym.executors.connection import Job  # noqa: PLC0415
        from fleetgym.executors.kinds import reach  # noqa: PLC0415
        from fleetgym.executors.serving import serve_run  # noqa: PLC0415

        if key.framework not in self._connections:
            self._connections[key.framework] = await reach(self.config.sockets[key.framework])
        private = self.config.private_network
        handle = await self._connections[key.framework].spawn(
            Job(
                episode_url=f"{self.url}/r/{session.run_id}",
                token=session.token,
                topology=key.topology,
                parameters=key.parameters,
                home="" if private else str(home),
                port=self._port if private else 0,
            )
        )
        if private:
            assert self._runner is not None, "the lane is open"
            task = asyncio.create_task(serve_run(self._runner, handle))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        return handle

    def manifest(self, env: ToolEnv | None, framework: str = "") -> dict[str, Any]:
        """Return what the run depended on beside its key."""
        made_of: Mapping[str, str] = {}
        faults = env.condition.faults.to_json() if env and env.condition else {}
        if env is not None:
            with contextlib.suppress(FleetgymError):  # a void run may not even have a spec
                made_of = self.sandboxes.provenance(env.sandbox_spec)
        return {
            "fleetgym": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "sandbox": self.config.sandbox,
            "isolation": {
                "kind": self.config.isolate,
                **self.config.isolation.get(framework, {}),
            },
            "sandbox_made_of": dict(made_of),
            "scenario_digest": env.declared.digest() if env else "",
            **({"faults": faults} if faults else {}),
            "upstream": "provider" if self.config.base_url else "reference policy",
        }

    async def run(self, key: RunKey, attempt: int) -> RunRecord:
        """Make one attempt and write what came of it."""
        attempted = Attempt(self, key, attempt)
        record, spans = await attempted.run()
        try:
            self._write(record, spans)
        except FleetgymError:
            raise  # no record can be written here
        except Exception as error:  # noqa: BLE001 - an environment's facts that no file can hold
            record = attempted.spoil(error)
            self._write(record, "")
        return record

    def _write(self, record: RunRecord, spans: str) -> None:
        if record.outcome is Outcome.VOID:
            self.directory.write_void(record)
        if record.outcome is not Outcome.VOID or record.attempt >= ATTEMPTS:
            self.directory.write_trace(record.run_id, spans)
            # Last: a run is finished when its record is there.
            self.directory.write(record)

    def log(self, about: str, error: BaseException) -> str:
        """Write down a whole traceback; return the sentence that says where."""
        text = "".join(traceback.format_exception(error))
        path = self.directory.path / LOG
        try:
            with path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(self.redactor.text(f"{about}: {text}"))
        except OSError as unwritable:
            return f"The traceback could not be written ({unwritable.strerror})."
        return f"{LOG} has the traceback."


class _Answer(Protocol):
    def __call__(self, kind: str, **content: Any) -> None: ...


async def _attempt(lane: Lane, key: RunKey, number: int, answer: _Answer) -> None:
    """Make one attempt; whatever comes of it, whoever asked for it is told."""
    answer("started", run_id=key.run_id, attempt=number)
    try:
        record = await lane.run(key, number)
        brief = record.model_copy(update={"steps": [], "model_calls": [], "events": []})
        told = brief.model_dump(mode="json")
    except FleetgymError as error:
        answer("fatal", message=str(error))
    except Exception as error:  # noqa: BLE001 - who asked must be told, or waits for ever
        where = lane.log(f"run {key.run_id}, attempt {number}", error)
        answer("fatal", message=f"A run could not be recorded: {last_line(error)} {where}")
    else:
        answer("finished", record=told)


async def _main() -> None:
    source = asyncio.StreamReader(limit=_LINE_LIMIT)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(source), sys.stdin)
    # Whatever prints in this process must not end up among the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(kind: str, **content: Any) -> None:
        answers.write(json.dumps({"kind": kind, **content}) + "\n")

    lane: Lane | None = None
    tasks: set[asyncio.Task[None]] = set()

    try:
        while line := await source.readline():
            asked = json.loads(line)
            if lane is None:
                lane = Lane(LaneConfig(**asked))
                await lane.open()
                answer("ready", url=lane.url)
                continue
            task = asyncio.create_task(
                _attempt(lane, RunKey.model_validate(asked["key"]), asked["attempt"], answer)
            )
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    except FleetgymError as error:
        answer("fatal", message=str(error))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if lane is not None:
            await lane.close()


def config_line(config: LaneConfig) -> str:
    """Return the first line that a lane is sent."""
    return json.dumps(asdict(config)) + "\n"


if __name__ == "__main__":
    code = 1
    try:
        asyncio.run(_main())
        code = 0
    except BaseException:  # noqa: BLE001 - nobody else would say why
        traceback.print_exc()
    finally:
        logging.shutdown()
        # A thread that is still inside a step must not keep a lane alive that nobody talks to.
        os._exit(code)
