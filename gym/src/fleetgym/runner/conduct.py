"""Conducts a suite: starts framework processes and lanes, hands out runs, retries void ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import FleetgymError, OperatorError
from fleetgym.contracts.record import Outcome, RunRecord
from fleetgym.executors.kinds import launcher, warm
from fleetgym.records.store import RunDirectory
from fleetgym.runner.events import Finished, Started
from fleetgym.runner.lane import ATTEMPTS, LaneConfig, config_line
from fleetgym.runner.plan import REFERENCE

if TYPE_CHECKING:
    from fleetgym.registry import Registry
    from fleetgym.runner.events import Listener
    from fleetgym.runner.plan import Plan, PlannedRun

__all__ = ["Options", "conduct"]

_LINE_LIMIT = 16 * 1024**2
_MAX_LANE_DEATHS = 5


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
        lanes = min(self.options.lanes or cores, self.left)
        jobs = max(self.options.jobs or 2 * cores, lanes)
        needed = [
            n for n in self.plan.frameworks() if any(r.key.framework == n for r, _ in self.waiting)
        ]
        # What a container has left there may belong to another user.
        with tempfile.TemporaryDirectory(prefix="fleetgym-", ignore_cleanup_errors=True) as sockets:
            async with contextlib.AsyncExitStack() as stack:
                for name in needed:
                    self.sockets[name] = str(Path(sockets) / f"{name}.sock")
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

    def _next(self) -> tuple[PlannedRun, int] | None:
        """Take the first waiting run whose framework is warm."""
        for index, (run, attempt) in enumerate(self.waiting):
            if run.key.framework in self.warm:
                del self.waiting[index]
                return run, attempt
        return None

    async def _lane(self, slots: int) -> None:
        """Keep one lane process busy, and replace it when it dies."""
        while self.left:
            await self._one_lane(slots)

    async def _one_lane(self, slots: int) -> None:
        log = (self.options.out / "lane.log").open("ab")
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
            isolation=self.isolation,
        )
        process.stdin.write(config_line(config).encode())
        running: dict[str, tuple[PlannedRun, int]] = {}
        ready = False
        reader = asyncio.create_task(process.stdout.readline())
        try:
            while self.left:
                while ready and len(running) < slots and (work := self._next()):
                    running[work[0].run_id] = work
                    process.stdin.write(_ask(*work))
                await asyncio.wait({reader, self.progress}, return_when=asyncio.FIRST_COMPLETED)
                if not reader.done():
                    continue
                line = reader.result()
                if not line:
                    self._died(running)
                    return
                reader = asyncio.create_task(process.stdout.readline())
                ready = self._take(json.loads(line), running) or ready
        finally:
            reader.cancel()
            process.stdin.close()
            ending = asyncio.create_task(_end(process))
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                await ending  # it still closes its sandboxes
                raise

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
        self.listener.finished(Finished(record, retried=again))
        self._progressed()

    def _died(self, running: dict[str, tuple[PlannedRun, int]]) -> None:
        """Put the runs of a lane that died back: the harness failed, not they."""
        if self.fatal is not None:
            return
        self.deaths += 1
        self.listener.note(f"a lane died with {len(running)} runs; they are done again")
        if self.deaths > _MAX_LANE_DEATHS:
            self.fatal = OperatorError(
                f"Lanes died {self.deaths} times; see {str(self.options.out / 'lane.log')!r}. What "
                "was finished is kept; the same command goes on."
            )
        self.waiting.extendleft(running.values())
        self._progressed()


def _ask(run: PlannedRun, attempt: int) -> bytes:
    asked = {"key": run.key.model_dump(mode="json"), "attempt": attempt}
    return json.dumps(asked).encode() + b"\n"


async def _end(process: asyncio.subprocess.Process) -> None:
    """Wait for a lane that was told to end; kill it when it does not."""
    try:
        await asyncio.wait_for(process.wait(), timeout=10)
    except TimeoutError:
        process.kill()
        await process.wait()
