"""Make environments by name: for the runner, for Gymnasium, for everybody else."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from fleetgym import home
from fleetgym.contracts.condition import CLEAN
from fleetgym.contracts.errors import UnknownName
from fleetgym.contracts.specs import load

if TYPE_CHECKING:
    from fleetgym.contracts.sandbox import SandboxProvider
    from fleetgym.contracts.scenario import Budget
    from fleetgym.contracts.specs import EnvSpec
    from fleetgym.env import ToolEnv
    from fleetgym.registry import Registry

__all__ = ["make", "make_for_gymnasium", "register_with_gymnasium"]


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
        grader: One that fits the environment; its first by default.
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
    grader = grader or spec.graders[0]
    if grader not in spec.graders:
        raise UnknownName("grader", grader, spec.graders)
    disturbing = None if condition == CLEAN else load(registry.condition(condition).entry_point)
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
def _registry() -> Registry:
    from fleetgym.registry import Registry  # noqa: PLC0415 - not at `import fleetgym`

    return Registry.discover()


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
    render_mode: str | None = None,
) -> ToolEnv:
    """Return an env for ``gymnasium.make(environment, scenario=…, grader=…, sandbox=…)``.

    Envs of one process share a provider, and so its warm sandboxes, until the process ends.
    """
    registry = _registry()
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
