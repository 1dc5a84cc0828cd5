"""One attempt at one run, inside a lane: set up, let the agent act, judge, record."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import json
import secrets
import shutil
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fleetgym.contracts.errors import FleetgymError, MissingDependency, SandboxError
from fleetgym.contracts.faults import NONE
from fleetgym.contracts.framework import SINGLE
from fleetgym.contracts.record import (
    FindingRecord,
    ModelCallRecord,
    Outcome,
    RunRecord,
    ScoreRecord,
    Usage,
    WorkerReport,
)
from fleetgym.contracts.tools import ToolResult
from fleetgym.episode import Session
from fleetgym.episode.foreign import call_foreign, last_line
from fleetgym.gateway import GatewayRun
from fleetgym.policy.driver import play
from fleetgym.runner.outcome import BUDGETS, Ending, judge
from fleetgym.runner.plan import REFERENCE
from fleetgym.runner.reactions import reactions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.episode import Brief
    from fleetgym.contracts.record import RunKey, StepRecord
    from fleetgym.contracts.tools import ToolCall
    from fleetgym.env import ToolEnv
    from fleetgym.executors.connection import WorkerExit
    from fleetgym.runner.lane import Lane
    from fleetgym.telemetry.tracing import RunTrace

__all__ = ["Agent", "Attempt"]

GRACE_S = 5.0
"""How long a framework may go on after its episode has ended, before it is killed."""

_SETUP_S = 600.0
"""How long an environment may take to begin an episode; one that hangs must not hold up a suite."""


class Agent(Protocol):
    """The process, or whatever else, that plays an episode."""

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        ...

    async def wait(self) -> WorkerExit:
        """Wait until it is gone; may be called again and be cancelled."""
        ...

    async def kill(self) -> None:
        """End it."""
        ...


class Attempt:
    """Holds what one attempt gathers until its record is written."""

    def __init__(self, lane: Lane, key: RunKey, attempt: int) -> None:
        """Prepare; nothing is started before :meth:`run`."""
        self.lane = lane
        self.key = key
        self.run_id = key.run_id
        self.number = attempt
        self.token = secrets.token_urlsafe(24)
        self.model_calls: list[ModelCallRecord] = []
        self.asked: list[str] = []
        """Of each model call, a digest of its messages."""

        self.session: Session | None = None
        self.trace: RunTrace = lane.tracing.begin(self.run_id, key)
        self.began_at = datetime.now(UTC)
        self.setup_s = 0.0
        self.wall_s = 0.0
        self.failure = ""
        self.malformed_after: int | None = None
        self.worker = WorkerReport()
        self.resources: dict[str, Any] = {}
        self.env: ToolEnv | None = None

    async def run(self) -> tuple[RunRecord, str]:
        """Return the record and the trace as OTLP JSON; a harness failure gives a void record."""
        started = time.monotonic()
        try:
            await self._set_up()
            self.setup_s = time.monotonic() - started
            await self._act(self._open())
        except MissingDependency:
            raise  # of every run, not of this one
        except Exception as error:  # noqa: BLE001 - whatever breaks here is ours, never the agent's
            self._fail(error)
        finally:
            self.lane.routes.close(self.run_id)
            await self.lane.gateway.close(self.run_id)
        try:
            record = self._record()
            spans = self.trace.end(record)
        except Exception as error:  # noqa: BLE001 - as above
            record, spans = self.spoil(error), ""
        finally:
            if self.env is not None:
                with contextlib.suppress(FleetgymError):
                    await self._in_thread(self.env.close)
        return record, spans

    def spoil(self, error: Exception) -> RunRecord:
        """Return a void record with nothing of what was gathered, as that cannot be recorded."""
        self._fail(error)
        self.session = None
        self.model_calls.clear()
        self.asked.clear()
        self.worker = WorkerReport()
        return self._record(gathered=False)

    def _fail(self, error: Exception) -> None:
        """Note why the run is void; what has no name of ours goes to the lane's log as a whole."""
        if isinstance(error, FleetgymError):
            self.failure = str(error)
            if error.__cause__ is None:
                return
        else:
            self.failure = f"The runner failed: {last_line(error)}"
        self.failure += f" {self.lane.log(f'run {self.run_id}, attempt {self.number}', error)}"

    async def _set_up(self) -> None:
        try:
            async with asyncio.timeout(_SETUP_S):
                self.env = await self._in_thread(self.lane.make_env, self.key)
                await self._in_thread(self._reset)
        except TimeoutError:
            raise SandboxError(
                f"The environment did not begin an episode within {_SETUP_S:.0f} s."
            ) from None

    @property
    def _in_trouble(self) -> bool:
        condition = self._env.condition
        return condition is not None and condition.faults != NONE

    @property
    def _env(self) -> ToolEnv:
        assert self.env is not None, "it is made before anything else"
        return self.env

    def _reset(self) -> None:
        self._env.reset(seed=self.key.seed)

    def _open(self) -> Session:
        url = f"{self.lane.url}/r/{self.run_id}"
        session = self.session = Session(
            run_id=self.run_id,
            token=self.token,
            env=self._env,
            seed=self.key.seed,
            model={
                "name": self.key.model,
                "base_url": f"{url}/a/{{agent}}/v1",
                "headers": {"traceparent": self.trace.traceparent},
            },
            threads=self.lane.threads,
            on_step=self.trace.tool_call,
        )
        self.lane.routes.open(session)
        if self.key.framework != REFERENCE:
            self.lane.gateway.open(
                GatewayRun(
                    run_id=self.run_id,
                    token=self.token,
                    model=self.key.model,
                    upstream=self.lane.upstream(self.key, self._env),
                    budget=session.budget,
                    on_call=self._on_call,
                    on_over=session.end,
                    started=session.began,
                )
            )
        return session

    def _on_call(
        self, call: ModelCallRecord, request: Mapping[str, Any], message: Mapping[str, Any] | None
    ) -> None:
        self.model_calls.append(call)
        self.asked.append(_digest(request.get("messages")) if self._in_trouble else "")
        self.trace.model_call(call)
        if message is None or self.session is None:
            return
        if isinstance(message.get("content"), str) and message["content"]:
            self.session.hear(message["content"])
        if any(_malformed(asked) for asked in message.get("tool_calls") or ()):
            self.malformed_after = len(self.session.steps)

    async def _act(self, session: Session) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(session.budget.seconds):
                if self.key.framework == REFERENCE:
                    await self._play(session)
                else:
                    await self._work(session)
        except TimeoutError:
            session.end("seconds")
        self.wall_s = time.monotonic() - began
        if session.failure is not None:
            raise session.failure

    async def _play(self, session: Session) -> None:
        """Let the expert act, with nothing between it and the episode."""
        loop = asyncio.get_running_loop()

        def call(asked: ToolCall) -> ToolResult:
            step = session.step(asked.name, dict(asked.arguments), "expert")
            return _shown(asyncio.run_coroutine_threadsafe(step, loop).result())

        brief = session.brief
        policy = self.lane.policy(self._env.scenario.environment)
        tools = {tool.name for tool in brief.tools}
        await self._in_thread(functools.partial(play, policy, brief.prompt, call, tools=tools))
        session.end("worker")

    async def _work(self, session: Session) -> None:
        home = Path(tempfile.mkdtemp(prefix="fleetgym-home-", dir=self.lane.config.homes or None))
        handle: Agent | None = None
        try:
            handle = await self.lane.spawn(self.key, session, home)
            await self._watch(session, handle)
        finally:
            if handle is not None:
                await asyncio.shield(self._bury(handle))
            shutil.rmtree(home, ignore_errors=True)

    async def _watch(self, session: Session, handle: Agent) -> None:
        """Wait until the worker ends; once the episode is over it has only the grace left."""
        worker = asyncio.ensure_future(handle.wait())
        over = asyncio.ensure_future(session.ended.wait())
        try:
            await asyncio.wait({worker, over}, return_when=asyncio.FIRST_COMPLETED)
            if worker.done():
                session.end("worker")
            else:
                await asyncio.wait({worker}, timeout=GRACE_S)
        finally:
            over.cancel()
            worker.cancel()

    async def _bury(self, handle: Agent) -> None:
        ended = handle.ended
        if not ended:
            await handle.kill()
        report: WorkerExit = await handle.wait()
        self.worker = WorkerReport(
            versions=dict(report.versions),
            closing_text=report.closing_text[:4000],
            error=report.error,
            exit_code=report.exit_code,
            signal=report.signal,
            killed=not ended,
        )
        self.resources = {"cpu_s": report.cpu_s, "peak_memory_bytes": report.peak_memory_bytes}

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.lane.threads, call_foreign, function, *arguments)

    def _record(self, *, gathered: bool = True) -> RunRecord:
        session, env = self.session, self.env if gathered else None
        steps: list[StepRecord] = session.steps if session else []
        void = bool(self.failure) or session is None or env is None
        score = None if void or env is None else _score(env)
        ended_by = "void" if void or session is None else session.ended_by
        if ended_by not in {"void", "submitted", "worker", *BUDGETS}:
            ended_by = "worker"
        found = env.findings(over=True) if env and session else ()
        findings = [FindingRecord(**asdict(one)) for one in found]
        verdict = judge(
            Ending(
                ended_by=ended_by,
                score=score.value if score else None,
                success_at=env.scenario.success_at if env else 1.0,
                steps=steps,
                model_calls=self.model_calls,
                worker=self.worker,
                tools=env.tools if env else (),
                malformed_after=self.malformed_after,
                condition=self.key.condition,
                findings=findings,
                failure=self.failure,
            )
        )
        return RunRecord(
            run_id=self.run_id,
            key=self.key,
            suite=self.lane.config.suite,
            attempt=self.number,
            outcome=verdict.outcome,
            category=verdict.category,
            category_step=verdict.step,
            detail=verdict.detail,
            score=score if verdict.outcome is not Outcome.VOID else None,
            findings=findings,
            faults=reactions(self.model_calls, self.asked, steps, self.worker, ended_by=ended_by),
            steps=steps,
            model_calls=self.model_calls,
            events=session.events if session else [],
            usage=Usage(
                steps=len(steps),
                tool_errors=sum(step.is_error for step in steps),
                model_calls=len(self.model_calls),
                input_tokens=sum(call.input_tokens for call in self.model_calls),
                output_tokens=sum(call.output_tokens for call in self.model_calls),
                wall_s=self.wall_s,
                setup_s=self.setup_s,
                **self.resources,
            ),
            worker=self.worker,
            task=session.brief.task if session else "",
            team=_team(session.brief) if session and self.key.topology != SINGLE else [],
            trace_id=self.trace.trace_id,
            started_at_utc=self.began_at.isoformat(timespec="milliseconds"),
            manifest=self.lane.manifest(env, self.key.framework),
        )


def _digest(messages: object) -> str:
    return hashlib.sha256(json.dumps(messages).encode()).hexdigest()


def _shown(step: StepRecord) -> ToolResult:
    return ToolResult(step.content, is_error=step.is_error)


def _team(brief: Brief) -> list[str]:
    return [one.name for one in brief.team.members] if brief.team else []


def _score(env: ToolEnv) -> ScoreRecord:
    return ScoreRecord(
        grader=env.grader.name,
        grader_version=env.grader.version,
        value=env.score.value,
        parts=dict(env.score.parts),
        weights=dict(env.score.weights),
    )


def _malformed(asked: Mapping[str, Any]) -> bool:
    try:
        return not isinstance(json.loads(asked["function"]["arguments"]), dict)
    except (KeyError, TypeError, ValueError):
        return True
