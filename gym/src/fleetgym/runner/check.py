"""What every environment promises, held to it: `fleetgym check env`.

* Gymnasium's own checker passes.
* The same seed and actions give the same episode, byte for byte.
* An episode's rewards sum to its score.
* The expert, driven by observations only, earns at least :data:`EXPERT_AT_LEAST`.
* Agents that do not do the task earn little: those of :mod:`fleetgym.runner.adversaries` and of the
  environment less than each names, the expert's artifact of another seed, and all of its calls
  there, less than :data:`MEMORIZED_BELOW`.
* Scores fall as skill falls, in the mean over the seeds; a single one may be lucky.
"""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from gymnasium.utils.env_checker import check_env

from fleetgym import environments
from fleetgym.contracts.errors import UnknownName
from fleetgym.contracts.specs import load
from fleetgym.contracts.tools import SUBMIT
from fleetgym.policy.dialect import looks_failed
from fleetgym.policy.profiles import LADDER
from fleetgym.registry import Registry
from fleetgym.runner.adversaries import GENERAL
from fleetgym.runner.trials import Trial, again, cheating, expert, hold, skilled
from fleetgym.sandboxes import provider

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fleetgym.contracts.policy import Adversary, ReferencePolicy
    from fleetgym.env import ToolEnv

__all__ = [
    "EXPERT_AT_LEAST",
    "FALL_AT_LEAST",
    "MEMORIZED_ANSWER",
    "MEMORIZED_BELOW",
    "MEMORIZED_CALLS",
    "SEEDS_TO_RANK",
    "SKILL",
    "Check",
    "adversaries_of",
    "check_environment",
]

EXPERT_AT_LEAST = 0.99
MEMORIZED_BELOW = 0.3

FALL_AT_LEAST = 0.4
"""Between the means of the first and the last rung of the ladder."""

SEEDS_TO_RANK = 20
"""With fewer seeds, only the ends of the ladder are compared: neighbors may change places."""

MEMORIZED_ANSWER = "memorized-answer"
MEMORIZED_CALLS = "memorized-calls"
SKILL = "skill"

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
    means: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    # Fresh interpreters: this one may have threads.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs or os.cpu_count() or 1, mp_context=context)
    try:
        for future in as_completed([pool.submit(_part, *part) for part in parts]):
            for check in future.result():
                rung = check.name.removeprefix(f"{SKILL}/")
                if rung in LADDER and check.value is not None:
                    means[check.scenario][rung].append(check.value)
                yield check
    finally:
        # Who is interrupted waits for the parts that play, not for all that were asked for.
        pool.shutdown(cancel_futures=True)
    yield from (_falls(scenario, values, len(seeds)) for scenario, values in means.items())


def adversaries_of(registry: Registry, environment: str) -> tuple[Adversary, ...]:
    """Return those of every environment, and those that this one adds."""
    entry = registry.environment(environment).adversaries
    return (*GENERAL, *(load(entry) if entry else ()))


def _part(
    environment: str, scenario: str, seeds: Sequence[int], sandbox: str, once: bool
) -> list[Check]:
    """Return the checks of some seeds, with those that one seed is enough for if ``once``."""
    registry = Registry.discover()
    policy: ReferencePolicy = load(registry.environment(environment).policy)()
    adversaries = adversaries_of(registry, environment)
    sandboxes = provider(sandbox)
    env = environments.make(
        registry, scenario, sandboxes=sandboxes, environment=environment, render_mode="ansi"
    )
    checks: list[Check] = []
    solved: dict[int, Trial] = {}
    try:
        if once:
            checks += [_gymnasium(env), _repeats(env, seeds[0], policy)]
        for seed in seeds:
            solved[seed] = trial = hold(env, seed, expert(policy))
            holds = trial.score.value >= EXPERT_AT_LEAST
            checks.append(_scored("expert", env, seed, holds, f"at least {EXPERT_AT_LEAST}"))
            checks += [_telescopes(env, seed, trial), _readable(env, seed)]
        others = [*seeds[1:], seeds[0]] if len(seeds) > 1 else [seeds[0] + 1]
        for seed, other in zip(seeds, others, strict=True):
            elsewhere = solved.get(other) or hold(env, other, expert(policy))
            checks += _cheats(env, seed, adversaries, elsewhere)
            for name, profile in [*LADDER.items()][1:]:
                hold(env, seed, skilled(policy, profile, seed))
                checks.append(_scored(f"{SKILL}/{name}", env, seed, True, "bound in the mean"))
    finally:
        env.close()
        sandboxes.close()
    return checks


def _cheats(
    env: ToolEnv, seed: int, adversaries: Sequence[Adversary], elsewhere: Trial
) -> Iterator[Check]:
    """Yield what agents earn that do not do the task.

    Args:
        env: Plays them.
        seed: Of the episodes.
        adversaries: What they follow.
        elsewhere: The expert's episode on another seed.
    """
    answer = [call for call in elsewhere.calls if call.name == SUBMIT]
    played = [(one.name, cheating(one, seed), one.below) for one in adversaries]
    played.append((MEMORIZED_ANSWER, again(answer), MEMORIZED_BELOW))
    played.append((MEMORIZED_CALLS, again(elsewhere.calls), MEMORIZED_BELOW))
    for name, agent, below in played:
        value = hold(env, seed, agent).score.value
        yield _scored(name, env, seed, value < below, f"below {below}")


def _falls(scenario: str, values: Mapping[str, Sequence[float]], seeds: int) -> Check:
    """Return the check of the ladder: ends far apart, no rung above the one before it."""
    means = {name: fmean(values[name]) for name in LADDER}
    ranked = [*means.values()]
    fall = ranked[0] - ranked[-1]
    ordered = ranked == sorted(ranked, reverse=True) or seeds < SEEDS_TO_RANK
    said = ", ".join(f"{name} {mean:.3f}" for name, mean in means.items())
    return Check(
        name=SKILL,
        scenario=scenario,
        holds=ordered and fall >= FALL_AT_LEAST,
        value=fall,
        detail=f"falls, by {FALL_AT_LEAST} at least; {said}",
    )


def _gymnasium(env: ToolEnv) -> Check:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # Its render check makes further envs by an id that may not be registered.
            check_env(env, skip_render_check=True)
    except Exception as error:  # noqa: BLE001 - the checker raises whatever it finds
        return Check(name="gymnasium", scenario=env.scenario.id, holds=False, detail=repr(error))
    return Check(name="gymnasium", scenario=env.scenario.id, holds=True)


def _scored(name: str, env: ToolEnv, seed: int, holds: bool, promise: str) -> Check:
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


def _telescopes(env: ToolEnv, seed: int, trial: Trial) -> Check:
    total = sum(trial.rewards)
    return Check(
        name="rewards-sum-to-score",
        scenario=env.scenario.id,
        seed=seed,
        holds=abs(total - trial.score.value) <= 1e-9,
        value=total,
    )


def _readable(env: ToolEnv, seed: int) -> Check:
    """Hold that no result which is none reads like a failure: requests to a model do not say."""
    taken = [
        f"{step.call.name}: {step.result.content[:60]!r}"
        for step in env.trajectory
        if not step.result.is_error and looks_failed(step.result.content)
    ]
    return Check(
        name="readable",
        scenario=env.scenario.id,
        seed=seed,
        holds=not taken,
        detail="; ".join(taken),
    )


def _repeats(env: ToolEnv, seed: int, policy: ReferencePolicy) -> Check:
    first, second = (hold(env, seed, expert(policy)) for _ in range(2))
    return Check(
        name="same-seed-same-episode",
        scenario=env.scenario.id,
        seed=seed,
        holds=first.transcript == second.transcript,
    )
