"""From a suite to its runs, each with its id, before anything is run."""

from __future__ import annotations

import fnmatch
import itertools
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.condition import CLEAN
from fleetgym.contracts.errors import SpecError, UnknownName
from fleetgym.contracts.record import RunKey
from fleetgym.contracts.specs import load
from fleetgym.environments import grader_of
from fleetgym.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fleetgym.contracts.condition import Condition
    from fleetgym.contracts.scenario import Scenario
    from fleetgym.registry import Registry
    from fleetgym.runner.suite import Suite

__all__ = ["EXPERT", "REFERENCE", "Plan", "PlannedRun", "expand"]

REFERENCE = "reference"
"""Stands in the place of a framework when the expert plays directly on the environment."""

EXPERT = "policy/expert"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """One run to be made."""

    key: RunKey
    scenario: Scenario
    """With the suite's budget in place of its own where the suite has one."""

    @property
    def run_id(self) -> str:
        """The digest of the key."""
        return self.key.run_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a suite comes to."""

    suite: Suite
    runs: tuple[PlannedRun, ...]
    """Frameworks vary fastest, so that what is compared runs side by side; reference runs last."""

    def frameworks(self) -> Sequence[str]:
        """Return the frameworks whose processes are needed."""
        names = dict.fromkeys(run.key.framework for run in self.runs)
        return [name for name in names if name != REFERENCE]

    def to_json(self) -> dict[str, Any]:
        """Return the plan for scripts; ``runs`` is their number."""
        return {
            "suite": self.suite.name,
            "runs": len(self.runs),
            "reference_runs": sum(run.key.framework == REFERENCE for run in self.runs),
            "frameworks": {
                run.key.framework: run.key.framework_version for run in reversed(self.runs)
            },
            "scenarios": sorted({run.key.scenario for run in self.runs}),
            "conditions": list(dict.fromkeys(run.key.condition for run in self.runs)),
            "models": self.suite.models,
            "seeds": self.suite.seeds,
            "run_ids": [run.run_id for run in self.runs],
        }


def expand(suite: Suite, registry: Registry, *, any_model: bool = False) -> Plan:
    """Return the runs of ``suite``.

    Args:
        suite: As it was loaded.
        registry: Where its names are looked up.
        any_model: Take model names as they are, for a provider that knows them.

    Scenarios that only a provider's model can try have no reference run.

    Raises:
        UnknownName: It names something that there is not; the nearest name is suggested.
        SpecError: A framework has no such topology or parameter.
    """
    known = registry.scenarios()
    chosen = _select("scenario", suite.scenarios, known)
    scenarios = [_with_budget(known[name], suite) for name in chosen]
    conditions = _select("condition", suite.conditions, registry.conditions)
    for condition in conditions:
        if condition != CLEAN:
            _check_fit(registry, condition, scenarios)
    for model in suite.models if not any_model else ():
        registry.model(model)
        _check_policies(model, scenarios)
    runs = [
        PlannedRun(
            scenario=scenario,
            key=_key(suite, registry, name, topology, scenario, condition, model, seed),
        )
        for scenario, seed, condition, model, topology, name in itertools.product(
            scenarios,
            suite.seeds,
            conditions,
            suite.models,
            suite.topologies,
            suite.frameworks,
        )
    ]
    if suite.reference:
        runs += [
            PlannedRun(
                scenario=scenario,
                key=_key(suite, registry, REFERENCE, "single", scenario, condition, EXPERT, seed),
            )
            for scenario, seed, condition in itertools.product(scenarios, suite.seeds, conditions)
            if not scenario.needs_model
        ]
    unique = {run.run_id: run for run in runs}
    return Plan(suite=suite, runs=tuple(unique.values()))


def _select(kind: str, patterns: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the names that the patterns fit, each once, in the patterns' order."""
    names = list(known)
    chosen: dict[str, None] = {}
    for pattern in patterns:
        matching = fnmatch.filter(names, pattern)
        if not matching:
            raise UnknownName(kind, pattern, names)
        chosen |= dict.fromkeys(matching)
    return list(chosen)


def _check_policies(model: str, scenarios: Iterable[Scenario]) -> None:
    for scenario in scenarios:
        if scenario.needs_model:
            raise SpecError(
                f"{scenario.id} has no expert, so the reference policy {model!r} cannot play it. "
                "Name a model of a provider: --base-url URL --model NAME."
            )


def _check_fit(registry: Registry, name: str, scenarios: Iterable[Scenario]) -> None:
    """Refuse a condition before anything is run that an env would refuse at every run."""
    condition: Condition = load(registry.condition(name).entry_point)
    for scenario in scenarios:
        offered: frozenset[str] = frozenset()
        if condition.surfaces:  # only then is the environment worth importing
            offered = load(registry.environment(scenario.environment).entry_point).surfaces
        if condition.surfaces - offered:
            raise SpecError(
                f"Condition {name!r} plants a text on the surface "
                f"{min(condition.surfaces - offered)!r}, and {scenario.environment} has none. "
                "Leave the condition or the scenario out."
            )
        condition.adapt(scenario)


def _with_budget(scenario: Scenario, suite: Suite) -> Scenario:
    changes = suite.budget.model_dump(exclude_none=True)
    return replace(scenario, budget=replace(scenario.budget, **changes))


def _key(  # noqa: PLR0917 - the factors of a run, in their order
    suite: Suite,
    registry: Registry,
    framework: str,
    topology: str,
    scenario: Scenario,
    condition: str,
    model: str,
    seed: int,
) -> RunKey:
    spec = registry.environment(scenario.environment)
    version, parameters = __version__, dict[str, Any]()
    if framework != REFERENCE:
        found = registry.framework(framework)
        version = found.version
        parameters = _parameters(framework, found.defaults, suite.parameters.get(framework, {}))
        if topology not in found.spec.topologies:
            raise SpecError(
                f"Framework {framework!r} has no topology {topology!r}. "
                f"It has: {', '.join(found.spec.topologies)}."
            )
    return RunKey(
        framework=framework,
        framework_version=version,
        topology=topology,
        scenario=scenario.id,
        scenario_version=scenario.version,
        condition=condition,
        condition_version=_version(registry, condition),
        model=model,
        seed=seed,
        grader=grader_of(spec, scenario, suite.grader),
        parameters=parameters,
        budget=asdict(scenario.budget),
    )


def _version(registry: Registry, condition: str) -> str:
    """Return a condition's version; a changed condition makes other runs."""
    return "" if condition == CLEAN else load(registry.condition(condition).entry_point).version


def _parameters(
    framework: str, defaults: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    for name in changes:
        if name not in defaults:
            raise UnknownName(f"parameter of {framework}", name, defaults)
    return {**defaults, **changes}
