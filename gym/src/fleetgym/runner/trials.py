"""Playing episodes without a framework: the expert, models of less skill, agents that cheat.

An agent is a function that takes an env whose episode has begun, and a function that makes calls.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from fleetgym.contracts.errors import FleetgymError, SpecError
from fleetgym.contracts.json import canonical_json, digest
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.env import ToolEnv
from fleetgym.policy.conversation import Conversation, Exchange, Parameters, Say
from fleetgym.policy.driver import Driver, play

if TYPE_CHECKING:
    from fleetgym.contracts.policy import Adversary, ReferencePolicy
    from fleetgym.contracts.scoring import Score
    from fleetgym.policy.profiles import Profile

__all__ = ["Agent", "Trial", "again", "cheating", "expert", "hold", "skilled"]

Agent: TypeAlias = Callable[[ToolEnv, Callable[[ToolCall], ToolResult]], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of an episode."""

    score: Score
    calls: Sequence[ToolCall]
    rewards: Sequence[float]
    transcript: str
    """Everything that the env returned, as JSON."""


class _Over(Exception):
    """The episode has ended."""


def hold(env: ToolEnv, seed: int, agent: Agent) -> Trial:
    """Let an agent play one episode, to its end or until the agent stops.

    Raises:
        SpecError: The agent is broken: it raised something else than what its calls did.
    """
    observation, info = env.reset(seed=seed)
    env.action_space.seed(seed)
    log: list[Any] = [observation, info]
    calls: list[ToolCall] = []
    rewards: list[float] = []

    def call(asked: ToolCall) -> ToolResult:
        calls.append(asked)
        result = env.step({"name": asked.name, "arguments": dict(asked.arguments)})
        log.append(list(result))
        rewards.append(result[1])
        if result[2] or result[3]:
            raise _Over
        return ToolResult(result[0]["content"], is_error=bool(result[0]["is_error"]))

    try:
        agent(env, call)
    except _Over:
        pass
    except FleetgymError:
        raise
    except Exception as error:
        raise SpecError(
            f"{env.scenario.id}, seed {seed}: an agent of the environment's own raised {error!r} "
            f"after {len(calls)} calls."
        ) from error
    return Trial(env.score, calls, rewards, canonical_json(log))


def expert(policy: ReferencePolicy) -> Agent:
    """Return the agent that follows an expert's plan."""
    return lambda env, call: play(policy, env.brief.prompt, call, tools=env.tools)


def skilled(policy: ReferencePolicy, profile: Profile, seed: int) -> Agent:
    """Return the agent that is led by a model of known skill, and that never gives up itself."""

    def act(env: ToolEnv, call: Callable[[ToolCall], ToolResult]) -> None:
        # As in a run: other errors in each scenario.
        driver = Driver(policy, profile, int(digest([env.scenario.id, seed])[:12], 16))
        offered = {
            name: Parameters.model_validate(dict(spec.parameters))
            for name, spec in env.tools.items()
        }
        past: list[Exchange] = []
        for _ in range(env.scenario.budget.model_calls):
            move = driver.move(
                Conversation(prompt=env.brief.prompt, exchanges=tuple(past), offered=offered)
            )
            if isinstance(move, Say):
                return
            # Arguments that are not JSON reach no tool: frameworks have the model try again.
            with contextlib.suppress(ValueError):
                made = ToolCall(move.name, json.loads(move.arguments))
                past.append(Exchange(call=made, result=call(made)))

    return act


def cheating(adversary: Adversary, seed: int) -> Agent:
    """Return the agent that follows an adversary's plan, whatever comes of its calls."""

    def act(env: ToolEnv, call: Callable[[ToolCall], ToolResult]) -> None:
        plan = adversary.plan(env.brief, env.scenario.budget, seed)
        with contextlib.suppress(StopIteration):
            planned = next(plan)
            while True:
                planned = plan.send(call(planned))

    return act


def again(calls: Sequence[ToolCall]) -> Agent:
    """Return the agent that makes calls of another episode again, without looking."""

    def act(_env: ToolEnv, call: Callable[[ToolCall], ToolResult]) -> None:
        for made in calls:
            call(made)

    return act
