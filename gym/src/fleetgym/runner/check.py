"""What every environment promises, held to it: `fleetgym check env`.

* Gymnasium's own checker passes.
* The same seed and actions give the same episode, byte for byte.
* An episode's rewards sum to its score.
* The expert, driven by observations only, earns at least :data:`EXPERT_AT_LEAST`.
* An agent that does nothing but submit a placeholder, and one that calls tools at random, earn
  at most :data:`IDLE_AT_MOST`.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gymnasium.utils.env_checker import check_env

from fleetgym import environments
from fleetgym.contracts.errors import UnknownName
from fleetgym.contracts.json import canonical_json
from fleetgym.contracts.specs import load
from fleetgym.contracts.tools import SUBMIT, ToolCall, ToolResult
from fleetgym.policy.driver import play
from fleetgym.registry import Registry
from fleetgym.sandboxes import provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fleetgym.env import ToolEnv

__all__ = ["EXPERT_AT_LEAST", "IDLE_AT_MOST", "Check", "check_environment"]

EXPERT_AT_LEAST = 0.99
IDLE_AT_MOST = 0.15

_SEEDS_A_PART = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One promise, held or not."""

    name: str
    scenario: str
    holds: bool
    seed: int | None = None
    value: float | None = None
    """A score, where the promise is about one."""

    detail: str = ""


def check_environment(
    registry: Registry,
    environment: str,
    *,
    seeds: Sequence[int],
    scenarios: Sequence[str] = (),
    sandbox: str = "local",
    jobs: int = 0,
) -> Iterator[Check]:
    """Yield each check when it is done, scenarios and seeds spread over processes.

    Args:
        registry: Where names are looked up.
        environment: Its id.
        seeds: Instances that expert and idle agents play.
        scenarios: Some of the environment's; all by default.
        sandbox: Kind of the episodes' sandboxes.
        jobs: Processes at a time; 0: one a core.

    Raises:
        UnknownName: There is no such environment or scenario.
    """
    known = registry.scenarios(environment)
    for scenario in scenarios:
        if scenario not in known:
            raise UnknownName("scenario", scenario, known)
    parts = [
        (environment, scenario, list(seeds[start : start + _SEEDS_A_PART]), sandbox, start == 0)
        for scenario in scenarios or known
        for start in range(0, len(seeds), _SEEDS_A_PART)
    ]
    # Fresh interpreters: this one may have threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs or os.cpu_count() or 1, mp_context=context) as pool:
        for future in as_completed([pool.submit(_part, *part) for part in parts]):
            yield from future.result()


def _part(
    environment: str, scenario: str, seeds: Sequence[int], sandbox: str, once: bool
) -> list[Check]:
    """Return the checks of some seeds, with those that one seed is enough for if ``once``."""
    registry = Registry.discover()
    policy = load(registry.environment(environment).policy)()
    sandboxes = provider(sandbox)
    env = environments.make(
        registry, scenario, sandboxes=sandboxes, environment=environment, render_mode="ansi"
    )
    checks: list[Check] = []
    try:
        if once:
            checks += [_gymnasium(env), _repeats(env, seeds[0], _expert(policy))]
        for seed in seeds:
            expert = _episode(env, seed, _expert(policy))
            holds = expert.score >= EXPERT_AT_LEAST
            checks.append(_scored("expert", env, seed, f"at least {EXPERT_AT_LEAST}", holds))
            checks.append(_telescopes(env, seed, expert))
            for name, act in (("no-op", _placeholder), ("random", _random)):
                holds = _episode(env, seed, act).score <= IDLE_AT_MOST
                checks.append(_scored(name, env, seed, f"at most {IDLE_AT_MOST}", holds))
    finally:
        env.close()
        sandboxes.close()
    return checks


@dataclass(frozen=True, slots=True)
class _Episode:
    score: float
    rewards: list[float]
    transcript: str


def _episode(
    env: ToolEnv, seed: int, act: Callable[[ToolEnv, Callable[[ToolCall], ToolResult]], None]
) -> _Episode:
    observation, info = env.reset(seed=seed)
    env.action_space.seed(seed)
    log: list[Any] = [observation, info]
    rewards: list[float] = []

    def call(asked: ToolCall) -> ToolResult:
        result = env.step({"name": asked.name, "arguments": dict(asked.arguments)})
        log.append(list(result))
        rewards.append(result[1])
        if result[2] or result[3]:
            raise _Over
        return ToolResult(result[0]["content"], is_error=bool(result[0]["is_error"]))

    with contextlib.suppress(_Over):
        act(env, call)
    return _Episode(env.score.value, rewards, canonical_json(log))


class _Over(Exception):
    """The episode has ended."""


def _expert(policy: Any) -> Callable[[ToolEnv, Callable[[ToolCall], ToolResult]], None]:
    def act(env: ToolEnv, call: Callable[[ToolCall], ToolResult]) -> None:
        play(policy, env.brief.prompt, call, tools=env.tools)

    return act


def _placeholder(env: ToolEnv, call: Callable[[ToolCall], ToolResult]) -> None:
    """Submit at once what has the artifact's form and nothing in it."""
    schema: Mapping[str, Any] = env.scenario.artifact_schema
    answer = {name: _blank(part) for name, part in schema.get("properties", {}).items()}
    call(ToolCall(SUBMIT, {"answer": json.dumps(answer)}))


def _blank(schema: Mapping[str, Any]) -> Any:
    match schema.get("type"):
        case "array":
            return [{"placeholder": "none"}]
        case "object":
            return {}
        case "integer" | "number":
            return 0
        case "boolean":
            return False
        case _:
            return "placeholder: nothing was looked at, nothing was found, nothing is claimed"


def _random(env: ToolEnv, call: Callable[[ToolCall], ToolResult]) -> None:
    """Call tools at random until the steps are spent, then submit a placeholder."""
    for _ in range(env.scenario.budget.steps - 1):
        action = env.action_space.sample()
        call(ToolCall(action["name"], action["arguments"]))
    _placeholder(env, call)


def _gymnasium(env: ToolEnv) -> Check:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # Its render check makes further envs by an id that may not be registered.
            check_env(env, skip_render_check=True)
    except Exception as error:  # noqa: BLE001 - the checker raises whatever it finds
        return Check(name="gymnasium", scenario=env.scenario.id, holds=False, detail=repr(error))
    return Check(name="gymnasium", scenario=env.scenario.id, holds=True)


def _scored(name: str, env: ToolEnv, seed: int, promise: str, holds: bool) -> Check:
    """Return the check of the episode that ``env`` has just played."""
    parts = ", ".join(f"{name} {part:.2f}" for name, part in env.score.parts.items())
    return Check(
        name=name,
        scenario=env.scenario.id,
        seed=seed,
        holds=holds,
        value=env.score.value,
        detail=f"{promise}; {parts}",
    )


def _telescopes(env: ToolEnv, seed: int, episode: _Episode) -> Check:
    total = sum(episode.rewards)
    return Check(
        name="rewards-sum-to-score",
        scenario=env.scenario.id,
        seed=seed,
        holds=abs(total - episode.score) <= 1e-9,
        value=total,
    )


def _repeats(
    env: ToolEnv, seed: int, act: Callable[[ToolEnv, Callable[[ToolCall], ToolResult]], None]
) -> Check:
    first, second = _episode(env, seed, act), _episode(env, seed, act)
    return Check(
        name="same-seed-same-episode",
        scenario=env.scenario.id,
        seed=seed,
        holds=first.transcript == second.transcript,
    )
