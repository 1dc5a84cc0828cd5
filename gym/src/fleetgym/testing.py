"""For the tests of environments: episodes in process, those of the expert each played once.

The sandbox is the provider ``none``, so that a test is quick and its errors have a traceback; the
suite's own tests and ``fleetgym check env`` play in real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.env import ToolEnv
from fleetgym.env.instances import InstanceCache
from fleetgym.policy import play
from fleetgym.sandboxes import provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from fleetgym.contracts.policy import ReferencePolicy
    from fleetgym.contracts.scenario import Scenario
    from fleetgym.contracts.scoring import Grader, Score

__all__ = ["Episodes", "Played", "step"]

_E = TypeVar("_E", bound=ToolEnv)


@dataclass(frozen=True, slots=True)
class Played:
    """What came of an episode of the expert."""

    calls: Sequence[ToolCall]
    score: Score

    @property
    def answer(self) -> str:
        """What it submitted."""
        return str(self.calls[-1].arguments["answer"])


class Episodes(Generic[_E]):
    """Plays scenarios of one environment; close it when done."""

    def __init__(
        self,
        env: Callable[..., _E],
        scenarios: Iterable[Scenario],
        *,
        expert: Callable[[], ReferencePolicy],
        grader: Grader,
        directory: Path,
    ) -> None:
        """Make an env of each scenario.

        Args:
            env: The environment's class.
            scenarios: Those to be played.
            expert: Makes a fresh expert.
            grader: Grades all of them.
            directory: Where instances are kept.
        """
        self._sandboxes = provider("none")
        instances = InstanceCache(directory)
        self._expert = expert
        self._played: dict[tuple[str, int], Played] = {}
        self.envs = {
            scenario.id: env(
                scenario=scenario, grader=grader, sandboxes=self._sandboxes, instances=instances
            )
            for scenario in scenarios
        }
        """By the scenario's id."""

    def close(self) -> None:
        """Close every env."""
        for env in self.envs.values():
            env.close()
        self._sandboxes.close()

    def begin(self, scenario: str, seed: int) -> _E:
        """Return an env at the begin of an episode."""
        env = self.envs[scenario]
        env.reset(seed=seed)
        return env

    def played(self, scenario: str, seed: int) -> Played:
        """Return the expert's episode."""
        if (scenario, seed) not in self._played:
            env, calls = self.begin(scenario, seed), list[ToolCall]()

            def call(asked: ToolCall) -> ToolResult:
                calls.append(asked)
                return step(env, asked.name, **asked.arguments)

            tools = {tool.name for tool in env.brief.tools}
            play(self._expert(), env.brief.prompt, call, tools=tools)
            self._played[scenario, seed] = Played(calls, env.score)
        return self._played[scenario, seed]


def step(env: ToolEnv, tool: str, **arguments: Any) -> ToolResult:
    """Make one call and return what the agent is told."""
    observation, *_ = env.step({"name": tool, "arguments": arguments})
    return ToolResult(observation["content"], is_error=bool(observation["is_error"]))
