"""A lane that runs a framework's plugin through scripted episodes, as any suite's runs are run."""

from __future__ import annotations

import tempfile
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetgym.conditions.faults import Faults
from fleetgym.contracts.condition import CLEAN
from fleetgym.contracts.errors import OperatorError
from fleetgym.contracts.framework import SINGLE
from fleetgym.contracts.record import Outcome, RunKey
from fleetgym.contracts.scenario import Budget
from fleetgym.env.instances import InstanceCache
from fleetgym.executors.kinds import launcher, warm
from fleetgym.gateway import PolicyUpstream
from fleetgym.policy import EXPERT, PARALLEL
from fleetgym.runner.lane import Lane, LaneConfig
from fleetgym.runner.rehearsal import (
    DEFAULTS,
    SCENARIO,
    Finder,
    NoSandboxes,
    NumberGrader,
    RehearsalEnv,
    Restless,
    Silent,
    Surveyor,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from fleetgym.contracts.faults import FaultPlan
    from fleetgym.contracts.record import RunRecord
    from fleetgym.env import ToolEnv
    from fleetgym.gateway import Answer, ChatRequest, Garbled, Stream, Upstream
    from fleetgym.registry import RegisteredFramework

__all__ = ["SEED", "Rehearsed", "Stage", "stage"]

SEED = 6
"""Of an episode for which nothing else is said."""

_SCRIPTS: Mapping[str, Callable[[], Upstream]] = {
    "script/finder": lambda: PolicyUpstream(Finder(), EXPERT, SEED),
    "script/surveyor": lambda: PolicyUpstream(Surveyor(), PARALLEL, SEED),
    "script/restless": lambda: PolicyUpstream(Restless(), EXPERT, SEED),
    "script/silent": Silent,
}


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of a scripted episode."""

    record: RunRecord
    requests: list[ChatRequest]
    """Those to the model, oldest first."""

    @property
    def ending(self) -> str:
        """How it ended, in a few words for people."""
        error = self.record.worker.error
        return error.splitlines()[0] if error else self.record.detail

    def calls(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the tool calls, oldest first, without arguments that have their default."""
        return [
            (
                step.name,
                {
                    name: value
                    for name, value in step.arguments.items()
                    if (step.name, name, value) not in DEFAULTS
                },
            )
            for step in self.record.steps
        ]


class Stage(Lane):
    """Rehearses one framework; see :func:`stage`."""

    def __init__(self, config: LaneConfig, framework: RegisteredFramework) -> None:
        """Prepare; nothing is opened."""
        super().__init__(config)
        self.framework = framework
        self._requests: dict[str, list[ChatRequest]] = {}
        self._plans: dict[str, FaultPlan] = {}
        self._numbers = count()

    async def rehearse(
        self,
        script: str,
        *,
        topology: str = SINGLE,
        plan: FaultPlan | None = None,
        seed: int = SEED,
        budget: Budget | None = None,
        **parameters: Any,
    ) -> Rehearsed:
        """Run an episode.

        Args:
            script: Who the model is: ``finder``, ``surveyor``, ``restless`` or ``silent``.
            topology: One of the framework's own.
            plan: What goes wrong.
            seed: Of the episode.
            budget: The usual one by default.
            parameters: In place of the plugin's defaults; those it does not declare are left out.

        Raises:
            OperatorError: What failed is not the plugin.
        """
        known = self.framework.defaults
        chosen = {name: value for name, value in parameters.items() if name in known}
        # A number of its own, so that no two have the same id.
        condition = f"faults/{next(self._numbers)}"
        key = RunKey(
            framework=self.framework.spec.name,
            framework_version=self.framework.version,
            topology=topology,
            scenario=SCENARIO.id,
            scenario_version=SCENARIO.version,
            condition=condition if plan else CLEAN,
            condition_version=condition,
            model=f"script/{script}",
            seed=seed,
            grader=NumberGrader.name,
            parameters={**known, **chosen},
            budget=asdict(budget or Budget()),
        )
        if plan:
            self._plans[condition] = plan
        record = await self.run(key, attempt=1)
        if record.outcome is Outcome.VOID:
            raise OperatorError(f"A rehearsal could not be held: {record.detail}")
        return Rehearsed(record, self._requests.get(key.run_id, []))

    def make_env(self, key: RunKey) -> ToolEnv:
        """Return the scripted episode's env."""
        plan = self._plans.get(key.condition)
        return RehearsalEnv(
            scenario=replace(SCENARIO, budget=Budget(**key.budget)),  # pyright: ignore[reportArgumentType]
            grader=NumberGrader(),
            sandboxes=NoSandboxes(),
            instances=InstanceCache(Path(self.config.out) / "instances"),
            condition=Faults(key.condition, plan) if plan else None,
        )

    def upstream(self, key: RunKey, env: ToolEnv) -> Upstream:
        """Return who answers, and take note of what is asked."""
        asked = self._requests.setdefault(key.run_id, [])
        return _Noted(super().upstream(key, env), asked)

    def model(self, key: RunKey, environment: str) -> Upstream:
        """Return the script."""
        del environment
        return _SCRIPTS[key.model]()


class _Noted:
    """Takes note of requests on their way."""

    def __init__(self, upstream: Upstream, asked: list[ChatRequest]) -> None:
        self._upstream = upstream
        self._asked = asked

    def answer(
        self, request: ChatRequest
    ) -> AbstractAsyncContextManager[Answer | Stream | Garbled]:
        self._asked.append(request)
        return self._upstream.answer(request)


@asynccontextmanager
async def stage(
    framework: RegisteredFramework, isolate: str, *, count: int
) -> AsyncGenerator[Stage]:
    """Start a framework's warm process and a lane for it.

    Args:
        framework: Which one.
        isolate: How its runs are isolated.
        count: Runs that it may have at once.

    Raises:
        OperatorError: It cannot be started, or not be isolated here.
    """
    with tempfile.TemporaryDirectory(prefix="fleetgym-stage-") as folder:
        socket = str(Path(folder) / "s.sock")
        (Path(folder) / "homes").mkdir()
        how = launcher(isolate)
        parent = await warm(framework, how, socket, count=count)
        try:
            config = LaneConfig(
                suite="check",
                out=str(Path(folder) / "runs"),
                sandbox="none",
                sockets={framework.spec.name: socket},
                isolate=isolate,
                private_network=how.private_network,
                homes=str(Path(folder) / "homes"),
            )
            lane = Stage(config, framework)
            await lane.open()
            try:
                yield lane
            finally:
                await lane.close()
        finally:
            await parent.close()
