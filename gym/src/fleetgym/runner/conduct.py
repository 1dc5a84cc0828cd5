"""Conducts a suite: starts framework processes and lanes, hands out runs, retries void ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections import Counter, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import FleetgymError, OperatorError
from fleetgym.contracts.record import FailureCategory, Outcome, RunRecord
from fleetgym.executors.kinds import launcher, warm
from fleetgym.held import RUNNERS, held_directory
from fleetgym.records.store import RunDirectory
from fleetgym.runner.events import Finished, Started
from fleetgym.runner.lane import ATTEMPTS, LOG, LaneConfig, config_line
from fleetgym.runner.plan import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Collection

    from fleetgym.registry import Registry
    from fleetgym.runner.events import Listener
    from fleetgym.runner.plan import Plan, PlannedRun

__all__ = ["Options", "conduct"]

_LINE_LIMIT = 16 * 1024**2
_MAX_DEATHS = 5
"""Deaths a lane, with no run finished in between, after which it is the machine's fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a suite is run; nothing here changes what is measured."""

    out: Path
    sandbox: str = "local"
    isolate: str = "local"
    """Kind of isolation that the frameworks' processes have."""

    base_url: str | None = None
    api_key_variable: str = "OPENAI_API_KEY"
    jobs: int = 0
    """Runs at a time over all lanes; 0: two a core."""

    lanes: int = 0
    """Lane processes; 0: one a core."""


def conduct(
    plan: Plan, registry: Registry, options: Options, listener: Listener
) -> Counter[Outcome]:
    """Run what of ``plan`` is not finished yet and return how often each outcome came out.

    The records of earlier sessions count. Killed at any moment and called again, it completes the
    suite without losing or repeating a run.

    Raises:
        OperatorError: The machine lacks something; what was finished is kept.
    """
    directory = RunDirectory(options.out)
    with directory.locked():
        return asyncio.run(_Conductor(plan, registry, options, listener, directory).run())


class _Conductor:
    def __init__(
        self,
        plan: Plan,
        registry: Registry,
        options: Options,
        listener: Listener,
        directory: RunDirectory,
    ) -> None:
        self.plan = plan
        self.registry = registry
        self.options = options
        self.listener = listener
        self.directory = directory
        self.outcomes: Counter[Outcome] = Counter()
        self.waiting: deque[tuple[PlannedRun, int]] = deque()
        self.sockets: dict[str, str] = {}
        self.launcher = launcher(options.isolate)
        self.isolation: dict[str, dict[str, str]] = {}
        self.warm: set[str] = {REFERENCE}
        self.left = 0
        self.fatal: FleetgymError | None = None
        self.deaths = 0
        """Of lanes, since the last run that was finished."""

        self.lanes = 0
        self.suspects: set[str] = set()
        """Runs that a lane died with: they are tried again one by one, to find out which it was."""

        self.homes = ""
        self.progress: asyncio.Future[None]
        """Done at the next change of what is waiting, warm, left or fatal."""

    async def run(self) -> Counter[Outcome]:
        self.progress = asyncio.get_running_loop().create_future()
        finished = self.directory.finished()
        self.waiting.extend((run, 1) for run in self.plan.runs if run.run_id not in finished)
        self.left = len(self.waiting)
        self.listener.planned(self.plan, len(self.plan.runs) - self.left)
        self.directory.write_file("suite.json", json.dumps(self.plan.to_json(), indent=2) + "\n")
        if self.left:
            await self._run_waiting()
        self.listener.close()
        return self.outcomes

    async def _run_waiting(self) -> None:
        cores = os.cpu_count() or 1
        lanes = self.lanes = min(self.options.lanes or cores, self.left)
        jobs = max(self.options.jobs or 2 * cores, lanes)
        needed = [
            n for n in self.plan.frameworks() if any(r.key.framework == n for r, _ in self.waiting)
        ]
        # Not in the records directory, whose path may be longer than a socket's can be.
        with held_directory(Path(tempfile.gettempdir()), RUNNERS) as place:
            (place / "homes").mkdir()
            self.homes = str(place / "homes")
            async with contextlib.AsyncExitStack() as stack:
                for name in needed:
                    self.sockets[name] = str(place / f"{name}.sock")
                    facts = self.launcher.facts(self.registry.framework(name))
                    self.isolation[name] = dict(facts)
                tasks = [asyncio.create_task(self._warm(stack, name, jobs)) for name in needed]
                share, rest = divmod(jobs, lanes)
                tasks += [
                    asyncio.create_task(self._lane(share + (index < rest)))
                    for index in range(lanes)
                ]
                try:
                    while self.left and self.fatal is None:
                        await self._wait(tasks)
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
        if self.fatal is not None:
            raise self.fatal

    async def _wait(self, tasks: list[asyncio.Task[None]]) -> None:
        """Return on progress; raise what a task died of."""
        alive = [task for task in tasks if not task.done()]
        await asyncio.wait({self.progress, *alive}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                raise task.exception() or RuntimeError

    def _progressed(self) -> None:
        made, self.progress = self.progress, asyncio.get_running_loop().create_future()
        made.set_result(None)

    async def _warm(self, stack: contextlib.AsyncExitStack, name: str, jobs: int) -> None:
        framework = self.registry.framework(name)
        parent = await warm(framework, self.launcher, self.sockets[name], count=jobs)
        stack.push_async_callback(parent.close)
        self.warm.add(name)
        self._progressed()

    def _next(self, running: Collection[str]) -> tuple[PlannedRun, int] | None:
        """Take the first waiting run whose framework is warm, for a lane that has others."""
        if not self.suspects.isdisjoint(running):
            return None
        for index, (run, attempt) in enumerate(self.waiting):
            if run.key.framework in self.warm and not (running and run.run_id in self.suspects):
                del self.waiting[index]
                return run, attempt
        return None

    async def _lane(self, slots: int) -> None:
        """Keep one lane process busy, and replace it when it dies."""
        while self.left:
            await self._one_lane(slots)

    async def _one_lane(self, slots: int) -> None:
        log = (self.options.out / LOG).open("ab")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "fleetgym.runner.lane",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            limit=_LINE_LIMIT,
            start_new_session=True,
        )
        log.close()
        assert process.stdin is not None
        assert process.stdout is not None
        config = LaneConfig(
            suite=self.plan.suite.name,
            out=str(self.options.out.resolve()),
            sandbox=self.options.sandbox,
            base_url=self.options.base_url,
            api_key_variable=self.options.api_key_variable,
            sockets=self.sockets,
            isolate=self.options.isolate,
            private_network=self.launcher.private_network,
            homes=self.homes,
            faults={name: plan.to_json() for name, plan in self.plan.suite.faults.items()},
            isolation=self.isolation,
        )
        process.stdin.write(config_line(config).encode())
        running: dict[str, tuple[PlannedRun, int]] = {}
        ready = False
        reader = asyncio.create_task(process.stdout.readline())
        try:
            while self.left:
                while ready and len(running) < slots and (work := self._next(running)):
                    running[work[0].run_id] = work
                    process.stdin.write(_ask(*work))
                await asyncio.wait({reader, self.progress}, return_when=asyncio.FIRST_COMPLETED)
                if not reader.done():
                    continue
                line = reader.result()
                if not line:
                    process.stdin.close()
                    await _end(process)
                    self._died(running, process.returncode or 0)
                    return
                reader = asyncio.create_task(process.stdout.readline())
                ready = self._take(json.loads(line), running) or ready
        finally:
            reader.cancel()
            process.stdin.close()
            await _end(process)

    def _take(self, told: dict[str, Any], running: dict[str, tuple[PlannedRun, int]]) -> bool:
        """Act on one answer; return whether the lane said that it is ready."""
        match told["kind"]:
            case "ready":
                return True
            case "started":
                run, attempt = running[told["run_id"]]
                self.listener.started(Started(run.run_id, run.key, attempt))
            case "finished":
                record = RunRecord.model_validate(told["record"])
                self._finished(record, *running.pop(record.run_id))
            case "fatal":
                self.fatal = OperatorError(told["message"])
                self._progressed()
            case kind:
                raise AssertionError(f"a lane said {kind!r}")
        return False

    def _finished(self, record: RunRecord, run: PlannedRun, attempt: int) -> None:
        again = record.outcome is Outcome.VOID and attempt < ATTEMPTS
        if again:
            self.waiting.append((run, attempt + 1))
        else:
            self.left -= 1
            self.outcomes[record.outcome] += 1
        if record.outcome is not Outcome.VOID:
            self.deaths = 0
        self.listener.finished(Finished(record, retried=again))
        self._progressed()

    def _died(self, running: dict[str, tuple[PlannedRun, int]], code: int) -> None:
        """Take the runs of a lane that died for void: the harness failed, not they."""
        if self.fatal is not None:
            return
        self.deaths += 1
        why = f"The lane was ended by {_ending(code)}."
        self.listener.note(f"a lane died with {len(running)} runs. {why}")
        if self.deaths > _MAX_DEATHS * self.lanes:
            self.fatal = OperatorError(
                f"Lanes died {self.deaths} times and no run was finished; see "
                f"{str(self.options.out / LOG)!r}. What was finished is kept; the same command "
                "goes on."
            )
        self.suspects.update(running)
        for run, attempt in running.values():
            self._lose(run, attempt, why)
        self._progressed()

    def _lose(self, run: PlannedRun, attempt: int, why: str) -> None:
        """Record the attempt that a lane can no longer record."""
        record = RunRecord(
            run_id=run.run_id,
            key=run.key,
            suite=self.plan.suite.name,
            attempt=attempt,
            outcome=Outcome.VOID,
            category=FailureCategory.HARNESS,
            detail=f"{why} {LOG} may say more.",
            started_at_utc=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        try:
            self.directory.write_void(record)
            if attempt >= ATTEMPTS:
                self.directory.write(record)
        except OperatorError as error:
            self.fatal = error
            return
        self._finished(record, run, attempt)


def _ask(run: PlannedRun, attempt: int) -> bytes:
    asked = {"key": run.key.model_dump(mode="json"), "attempt": attempt}
    return json.dumps(asked).encode() + b"\n"


def _ending(code: int) -> str:
    if code >= 0:
        return f"itself with exit code {code}"
    kill = ", as when memory runs out" if code == -signal.SIGKILL else ""
    return f"signal {-code} ({signal.strsignal(-code)}{kill})"


async def _end(process: asyncio.subprocess.Process) -> None:
    """Wait for a lane that was told to end, even if nobody waits for this; kill it if need be."""
    ended = asyncio.ensure_future(_wait_or_kill(process))
    try:
        await asyncio.shield(ended)
    except asyncio.CancelledError:
        await ended
        raise


async def _wait_or_kill(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), timeout=10)
    except TimeoutError:
        process.kill()
        await process.wait()
