"""What a scenario's file promises, held to it: `fleetgym check scenario`.

* Its version is written down, and nothing has changed since.
* Its environment offers its tools, and sets the checkpoints that it declares, for every grader.
* The instance of one seed can be generated, and is the one that it was.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from fleetgym import environments, home
from fleetgym.contracts.errors import FleetgymError, UnknownName
from fleetgym.env.instances import InstanceCache
from fleetgym.sandboxes import provider
from fleetgym.scenarios.versions import SEED, version_problems, write_version

if TYPE_CHECKING:
    from fleetgym.contracts.scenario import Scenario
    from fleetgym.env import ToolEnv
    from fleetgym.registry import Registry

__all__ = ["scenario_problems"]


def scenario_problems(
    registry: Registry, scenario: Scenario, *, instances: bool = True, write: bool = False
) -> list[str]:
    """Return what does not hold of a scenario, a line for each problem.

    Args:
        registry: Where its environment is looked up.
        scenario: As it was loaded.
        instances: Generate one; a second or two, unless it is in the cache.
        write: First write digests of a version that has none yet into its file.
    """
    if scenario.source is None:
        return ["no file declares it; docs/scenarios.md tells how one is written."]
    problems: list[str] = []
    instance = None
    try:
        if instances:
            problems, instance = _instance(registry, scenario)
        if write:
            write_version(scenario.source, instance)
        return [*problems, *version_problems(scenario.source, instance)]
    except FleetgymError as error:
        return [*problems, str(error)]


def _instance(registry: Registry, scenario: Scenario) -> tuple[list[str], str | None]:
    """Return what does not fit the environment, and an instance's digest if one can be made."""
    cache = InstanceCache(home.cache("instances"))
    graders = registry.environment(scenario.environment).graders
    problems = [
        f"checkpoints: {UnknownName('grader', name, graders)}"
        for name in scenario.checkpoints
        if name not in graders
    ]
    problems += [
        f"checkpoints: says nothing of {name!r}, which the environment offers."
        for name in graders
        if name not in scenario.checkpoints
    ]
    digest: str | None = None
    with closing(provider("none", max_idle=0)) as sandboxes:
        for grader in (name for name in graders if name in scenario.checkpoints):
            env = environments.make(registry, scenario.id, sandboxes=sandboxes, grader=grader)
            digest = digest or cache.digest(env, SEED)
            problems += _checkpoints(env, grader, cache)
            env.close()
    return problems, digest


def _checkpoints(env: ToolEnv, grader: str, cache: InstanceCache) -> list[str]:
    truth = cache.get(env, SEED).truth
    weights = {one.name: one.weight for one in env.grader.checkpoints(truth)}
    declared = dict(env.scenario.checkpoints[grader])
    return (
        [] if declared == weights else [f"checkpoints.{grader}: it sets {weights}, not {declared}."]
    )
