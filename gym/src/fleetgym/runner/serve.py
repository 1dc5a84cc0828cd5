"""One episode for an agent from outside: `fleetgym serve`.

The agent may be anything that speaks HTTP. It is measured and recorded as every framework is,
under the name ``external``.
"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from fleetgym import environments
from fleetgym.contracts.errors import UnknownName
from fleetgym.contracts.framework import SINGLE
from fleetgym.contracts.record import RunKey, RunRecord
from fleetgym.executors.connection import WorkerExit
from fleetgym.runner.lane import Lane, LaneConfig
from fleetgym.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from fleetgym.episode import Session
    from fleetgym.runner.attempt import Agent

__all__ = ["ServeOptions", "serve_episode"]

_ENDING = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What is served, and to whom."""

    scenario: str
    seed: int
    model: str
    base_url: str | None
    api_key_variable: str
    grader: str | None
    sandbox: str
    out: Path
    seconds: float
    port: int
    command: tuple[str, ...]
    """A program to run as the agent; empty: wait for one."""


def serve_episode(options: ServeOptions, announce: Callable[[dict[str, str]], None]) -> RunRecord:
    """Serve one episode until it has ended and return its record.

    Args:
        options: What to serve.
        announce: Told where the episode is, unless a command is run as the agent.
    """
    return asyncio.run(_serve(options, announce))


async def _serve(options: ServeOptions, announce: Callable[[dict[str, str]], None]) -> RunRecord:
    config = LaneConfig(
        suite="serve",
        out=str(options.out.resolve()),
        sandbox=options.sandbox,
        base_url=options.base_url,
        api_key_variable=options.api_key_variable,
        port=options.port,
    )
    lane = _ServingLane(config, options, announce)
    await lane.open()
    loop = asyncio.get_running_loop()
    try:
        return await lane.run(lane.key_of_run(), attempt=1)
    finally:
        for number in _ENDING:
            loop.remove_signal_handler(number)
        await lane.close()


class _ServingLane(Lane):
    """A lane whose agent comes from outside."""

    def __init__(
        self,
        config: LaneConfig,
        options: ServeOptions,
        announce: Callable[[dict[str, str]], None],
    ) -> None:
        super().__init__(config)
        self.options = options
        self.announce = announce

    def key_of_run(self) -> RunKey:
        """Return the key of the one run."""
        options = self.options
        known = self.registry.scenarios()
        if options.scenario not in known:
            raise UnknownName("scenario", options.scenario, known)
        if options.base_url is None:
            self.registry.model(options.model)
        scenario = known[options.scenario]
        return RunKey(
            framework="external",
            framework_version=__version__,
            topology=SINGLE,
            scenario=scenario.id,
            scenario_version=scenario.version,
            condition="clean",
            model=options.model,
            seed=options.seed,
            grader=environments.grader_of(
                self.registry.environment(scenario.environment), scenario, options.grader
            ),
            budget=asdict(replace(scenario.budget, seconds=options.seconds)),
        )

    async def spawn(self, key: RunKey, session: Session, home: Path) -> Agent:
        """Tell where the episode is, or run the command that plays it."""
        del home
        url = f"{self.url}/r/{key.run_id}"
        where = {
            "FLEETGYM_EPISODE": url,
            "FLEETGYM_TOKEN": session.token,
            "OPENAI_BASE_URL": f"{url}/a/main/v1",
            "OPENAI_API_KEY": session.token,
        }
        if not self.options.command:
            outsider = _Outsider(None, session)
            self._listen_for_the_end(session)
            self.announce(where)
            return outsider
        process = await asyncio.create_subprocess_exec(
            *self.options.command, env={**os.environ, **where}
        )
        self._listen_for_the_end(session)
        return _Outsider(process, session)

    def _listen_for_the_end(self, session: Session) -> None:
        """End the episode, and have it recorded, at the first Ctrl-C; stop at the second."""
        loop = asyncio.get_running_loop()

        def end() -> None:
            for number in _ENDING:
                loop.remove_signal_handler(number)
            session.end("worker")

        for number in _ENDING:
            loop.add_signal_handler(number, end)


class _Outsider:
    """Stands in for a worker: a program of the user's, or somebody at the other end of HTTP."""

    def __init__(self, process: asyncio.subprocess.Process | None, session: Session) -> None:
        self._process = process
        self._session = session
        self._versions: Mapping[str, str] = {}

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to wait for."""
        if self._process is None:
            return self._session.ended.is_set()
        return self._process.returncode is not None

    async def wait(self) -> WorkerExit:
        """Wait for the program, or for the end of the episode."""
        if self._process is None:
            await self._session.ended.wait()
            return WorkerExit()
        code = await self._process.wait()
        return WorkerExit(exit_code=max(code, 0), signal=-code if code < 0 else None)

    async def kill(self) -> None:
        """End the program, or the episode where there is none."""
        if self._process is None:
            self._session.end("worker")
        elif self._process.returncode is None:
            self._process.kill()
