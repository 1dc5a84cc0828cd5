"""One run's episode, as a lane keeps it: the env, what the agent did, and how it ended."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import EpisodeOver, FleetgymError, SandboxError
from fleetgym.contracts.record import FindingRecord, StepRecord
from fleetgym.contracts.tools import SUBMIT
from fleetgym.episode.foreign import call_foreign, last_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from fleetgym.contracts.episode import Brief, Event
    from fleetgym.contracts.scenario import Budget
    from fleetgym.env import ToolEnv

__all__ = ["Session"]


class Session:
    """Serializes the agents of one run on its env and records each step.

    Attributes:
        brief: What the agent is told.
        began: Value of ``time.monotonic()`` from which all times of the run count.
        steps: What was done, oldest first.
        events: What the framework told, oldest first.
        ended: Set when nothing more can be earned: submitted, out of steps, or closed.
        ended_by: ``submitted``, ``steps``, or what :meth:`end` was given.
        failure: What the sandbox or the environment failed with; the run is void.
        waiting: Requests that are being served, counted by who serves them.
        told_characters: Size of the events, as JSON, counted in the same way.
    """

    def __init__(
        self,
        *,
        run_id: str,
        token: str,
        env: ToolEnv,
        seed: int,
        model: Mapping[str, Any],
        threads: Executor,
        on_step: Callable[[StepRecord], None] = lambda _: None,
    ) -> None:
        """Take over ``env`` after its reset.

        Args:
            run_id: Stands in the URL.
            token: What the agent has to show.
            env: Its episode has just begun.
            seed: For the model's ``seed`` parameter.
            model: ``name``, ``base_url`` and ``headers``, as the brief tells them.
            threads: Where blocking steps are taken.
            on_step: Called in the event loop after each step.
        """
        self.run_id = run_id
        self.token = token
        self.seed = seed
        self.model = model
        self.steps: list[StepRecord] = []
        self.events: list[dict[str, Any]] = []
        self.ended = asyncio.Event()
        self.ended_by = ""
        self.failure: FleetgymError | None = None
        self.brief: Brief = env.brief
        self.waiting = 0
        self.told_characters = 0
        self._env = env
        self._threads = threads
        self._on_step = on_step
        self._turn = asyncio.Lock()
        self.began = time.monotonic()

    @property
    def budget(self) -> Budget:
        """What the run may spend."""
        return self._env.scenario.budget

    @property
    def submitted(self) -> bool:
        """Whether an artifact was accepted."""
        return self._env.submitted

    def elapsed_s(self) -> float:
        """Return the seconds since the session began."""
        return time.monotonic() - self.began

    def hear(self, said: str) -> None:
        """Attribute what the model wrote to the next step."""
        # A model may say half a surrogate pair, which no record could hold.
        self._env.hear(said.encode(errors="replace").decode())

    async def step(self, name: str, arguments: Any, agent: str) -> StepRecord:
        """Make one tool call, after those that were asked for before it.

        Raises:
            EpisodeOver: The episode has ended.
            SandboxError: The sandbox failed; the run is void.
        """
        await self._turn.acquire()
        # From here on the call is made and recorded, even if whoever asked for it hangs up.
        taking = asyncio.ensure_future(self._take_turn(name, arguments, agent))
        taking.add_done_callback(self._end_turn)
        return await asyncio.shield(taking)

    def _end_turn(self, taken: asyncio.Future[StepRecord]) -> None:
        self._turn.release()
        if not taken.cancelled():
            taken.exception()  # that nobody asks for it any more is no error

    async def _take_turn(self, name: str, arguments: Any, agent: str) -> StepRecord:
        if self.ended.is_set():
            raise EpisodeOver(f"The episode is over ({self.ended_by}). Stop.")
        try:
            return await self._step({"name": name, "arguments": arguments}, agent)
        except FleetgymError as error:
            raise self._void(error) from error.__cause__
        except Exception as error:
            # An environment's result that is none must void the run, never score it.
            broken = SandboxError(f"The environment failed: {last_line(error)}")
            raise self._void(broken) from error

    async def _step(self, action: dict[str, Any], agent: str) -> StepRecord:
        started = self.elapsed_s()
        loop = asyncio.get_running_loop()
        observation, reward, terminated, truncated, info = await loop.run_in_executor(
            self._threads, call_foreign, self._env.step, action
        )
        step = self._env.trajectory[-1]
        record = StepRecord(
            index=len(self.steps),
            agent=agent,
            name=observation["tool"],
            arguments=dict(step.call.arguments),
            content=observation["content"],
            is_error=bool(observation["is_error"]),
            reward=reward,
            checkpoints=info["moved"],
            facts=dict(step.facts),
            said=step.said,
            findings=[FindingRecord(**found) for found in info.get("findings", ())],
            started_s=started,
            duration_s=self.elapsed_s() - started,
        )
        self.steps.append(record)
        self._on_step(record)
        if terminated or truncated:
            self.end("submitted" if terminated else "steps")
        return record

    def _void(self, error: FleetgymError) -> FleetgymError:
        self.failure = error
        self.end("sandbox")
        return error

    async def submit(self, artifact: str, agent: str) -> StepRecord:
        """Hand in the artifact."""
        return await self.step(SUBMIT, {"answer": artifact}, agent)

    def tell(self, event: Event) -> None:
        """Record what only the framework can see."""
        self.events.append(
            {
                "kind": event.kind,
                "agent": event.agent,
                "attributes": dict(event.attributes),
                "at_s": round(self.elapsed_s(), 6),
            }
        )

    def end(self, reason: str) -> None:
        """End the episode; the first reason stays."""
        if not self.ended.is_set():
            self.ended_by = reason
            self.ended.set()
