"""Make environments by name: for the runner, for Gymnasium, for everybody else."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetgym import home
from fleetgym.contracts.condition import CLEAN
from fleetgym.contracts.errors import UnknownName
from fleetgym.contracts.specs import load

if TYPE_CHECKING:
    from fleetgym.contracts.sandbox import SandboxProvider
    from fleetgym.contracts.scenario import Budget, Scenario
    from fleetgym.contracts.specs import EnvSpec
    from fleetgym.env import ToolEnv
    from fleetgym.registry import Registry

__all__ = ["grader_of", "make", "make_for_gymnasium", "register_with_gymnasium"]


def grader_of(spec: EnvSpec, scenario: Scenario, asked: str | None = None) -> str:
    """Return the grader of an episode: what was asked for, or the first that fits.

    Args:
        spec: The scenario's environment.
        scenario: It fits the graders that it sets checkpoints of, or all if it names none.
        asked: A grader's name.

    Raises:
        UnknownName: The grader does not fit.
    """
    fitting = [name for name in spec.graders if name in (scenario.checkpoints or spec.graders)]
    if asked is None and fitting:
        return fitting[0]
    if asked not in fitting:
        raise UnknownName(f"grader of {scenario.id}", str(asked), fitting)
    return asked


def make(
    registry: Registry,
    scenario: str,
    *,
    sandboxes: SandboxProvider,
    grader: str | None = None,
    environment: str | None = None,
    budget: Budget | None = None,
    condition: str = CLEAN,
    render_mode: str | None = None,
) -> ToolEnv:
    """Return an env for ``scenario``.

    Args:
        registry: Where names are looked up.
        scenario: For example ``cti/linux-cron-persistence``.
        sandboxes: Opens the episodes' sandboxes; the caller closes it.
        grader: One that fits the scenario; the environment's first such by default.
        environment: Refuse scenarios of any other one.
        budget: In place of the scenario's own.
        condition: What is done to every episode.
        render_mode: As Gymnasium has it.

    Raises:
        UnknownName: There is no such scenario, grader or condition.
        SpecError: The environment cannot be imported, or the condition does not fit it.
    """
    from fleetgym.env.instances import InstanceCache  # noqa: PLC0415 - imports Gymnasium

    known = registry.scenarios(environment)
    if scenario not in known:
        raise UnknownName("scenario", scenario, known)
    found = known[scenario]
    if budget is not None:
        found = replace(found, budget=budget)
    spec = registry.environment(found.environment)
    grader = grader_of(spec, found, grader)
    disturbing = None if condition == CLEAN else registry.condition(condition)
    cls = load(spec.entry_point)
    return cls(
        scenario=found,
        grader=load(registry.grader(grader).entry_point)(),
        sandboxes=sandboxes,
        instances=InstanceCache(home.cache("instances")),
        condition=disturbing,
        render_mode=render_mode,
    )


@cache
def _registry(data: Path | None = None) -> Registry:
    from fleetgym.registry import Registry  # noqa: PLC0415 - not at `import fleetgym`

    return Registry.discover(data=data)


@cache
def _provider(kind: str) -> SandboxProvider:
    import atexit  # noqa: PLC0415

    from fleetgym.sandboxes import provider  # noqa: PLC0415

    made = provider(kind)
    atexit.register(made.close)
    return made


def make_for_gymnasium(
    *,
    environment: str,
    scenario: str | None = None,
    grader: str | None = None,
    sandbox: str = "local",
    condition: str = CLEAN,
    data: str | Path | None = None,
    render_mode: str | None = None,
) -> ToolEnv:
    """Return an env for ``gymnasium.make(environment, scenario=…, grader=…, sandbox=…, data=…)``.

    ``data`` is the directory of a published data set, ``$FLEETGYM_DATA`` by default.

    Envs of one process share a provider, and so its warm sandboxes, until the process ends.
    """
    registry = _registry(home.data_set() if data is None else Path(data).resolve())
    if scenario is None:
        scenario = next(iter(registry.scenarios(environment)))
    return make(
        registry,
        scenario,
        sandboxes=_provider(sandbox),
        grader=grader,
        environment=environment,
        condition=condition,
        render_mode=render_mode,
    )


def register_with_gymnasium(gymnasium: Any) -> None:
    """Register every environment that plugins offer; ids that are taken are left alone."""
    specs: list[EnvSpec] = list(_registry().environments.values())
    for spec in specs:
        if spec.id not in gymnasium.registry:
            gymnasium.register(
                id=spec.id,
                entry_point="fleetgym.environments:make_for_gymnasium",
                kwargs={"environment": spec.id},
                # check_env passes; the passive checker would repeat its work at each step.
                disable_env_checker=True,
            )
