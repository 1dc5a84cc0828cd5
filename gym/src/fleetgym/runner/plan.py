"""From a suite to its runs, each with its id, before anything is run."""

from __future__ import annotations

import fnmatch
import itertools
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from fleetgym.conditions.faults import declared
from fleetgym.contracts.condition import CLEAN
from fleetgym.contracts.errors import SpecError, UnknownName
from fleetgym.contracts.framework import SINGLE
from fleetgym.contracts.record import RunKey
from fleetgym.contracts.specs import load
from fleetgym.environments import grader_of
from fleetgym.runner.design import Arm, Cell, Factors, Pair, cells, pairs
from fleetgym.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fleetgym.contracts.scenario import Scenario
    from fleetgym.registry import Registry
    from fleetgym.runner.suite import Suite

__all__ = ["EXPERT", "REFERENCE", "Plan", "PlannedRun", "expand"]

REFERENCE = "reference"
"""Stands in the place of a framework when the expert plays directly on the environment."""

EXPERT = "policy/expert"
_REFERENCE_ARM = Arm(REFERENCE, SINGLE)


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

    pairs: tuple[Pair, ...] = ()
    """How the runs of each two frameworks pair up."""

    @property
    def paired(self) -> bool:
        """Whether any two frameworks meet in all of their runs."""
        return not any(pair.alone for pair in self.pairs)

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
            "spread": list(self.suite.spread),
            "paired": self.paired,
            "pairs": [
                {
                    "one": "/".join(pair.one),
                    "other": "/".join(pair.other),
                    "paired": pair.paired,
                    "alone": pair.alone,
                }
                for pair in self.pairs
            ],
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
        SpecError: A framework has no such topology or parameter, or the design is none.
    """
    known = registry.scenarios()
    chosen = _select("scenario", suite.scenarios, known)
    scenarios = [_with_budget(known[name], suite) for name in chosen]
    registry.declare(declared(suite.faults))
    conditions = _select("condition", suite.conditions, registry.known_conditions)
    _check_faults_are_met(suite, conditions)
    for condition in conditions:
        if condition != CLEAN:
            _check_fit(registry, condition, scenarios)
    for model in suite.models if not any_model else ():
        registry.model(model)
        _check_policies(model, scenarios)
    arms = _arms(suite, registry)
    _check_teams(arms, scenarios)
    factors = Factors(
        arms=arms,
        scenarios=chosen,
        conditions=conditions,
        models=suite.models,
        seeds=suite.seeds,
    )
    kept = cells(suite, factors)
    keys = _Keys(suite, registry, {scenario.id: scenario for scenario in scenarios})
    runs = [keys.run(cell) for cell in kept]
    if suite.reference:
        played = dict.fromkeys(cell.block._replace(model=EXPERT) for cell in kept)
        runs += [
            keys.run(Cell(_REFERENCE_ARM, block))
            for block in played
            if not keys.scenarios[block.scenario].needs_model
        ]
    unique = {run.run_id: run for run in runs}
    return Plan(suite=suite, runs=tuple(unique.values()), pairs=tuple(pairs(kept, factors.arms)))


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


def _check_faults_are_met(suite: Suite, conditions: Sequence[str]) -> None:
    unmet = [name for name in suite.faults if f"faults/{name}" not in conditions]
    if unmet:
        raise SpecError(
            f"Suite {suite.name!r} declares the faults {unmet[0]!r}, and no run meets them. "
            f"Add 'faults/{unmet[0]}', or 'faults/*', to its conditions."
        )


def _check_policies(model: str, scenarios: Iterable[Scenario]) -> None:
    for scenario in scenarios:
        if scenario.needs_model:
            raise SpecError(
                f"{scenario.id} has no expert, so the reference policy {model!r} cannot play it. "
                "Name a model of a provider: --base-url URL --model NAME."
            )


def _check_fit(registry: Registry, name: str, scenarios: Iterable[Scenario]) -> None:
    """Refuse a condition before anything is run that an env would refuse at every run."""
    condition = registry.condition(name)
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


def _arms(suite: Suite, registry: Registry) -> list[Arm]:
    """Return each framework in those of its own topologies that the suite names."""
    offered = {name: registry.framework(name).spec.topologies for name in suite.frameworks}
    every = dict.fromkeys(itertools.chain.from_iterable(offered.values()))
    chosen = _select("topology", suite.topologies, every)
    for name, topologies in offered.items():
        if not set(topologies) & set(chosen):
            raise SpecError(
                f"Framework {name!r} has none of the topologies {', '.join(chosen)}. "
                f"It has: {', '.join(topologies)}."
            )
    return [
        Arm(framework, topology)
        for topology, framework in itertools.product(chosen, suite.frameworks)
        if topology in offered[framework]
    ]


def _check_teams(arms: Iterable[Arm], scenarios: Iterable[Scenario]) -> None:
    teams = [arm.topology for arm in arms if arm.topology != SINGLE]
    alone = [scenario.id for scenario in scenarios if not scenario.team]
    if teams and alone:
        raise SpecError(
            f"The topology {teams[0]!r} needs a team, and {alone[0]} declares none. "
            "Add `team` to the scenario, or leave one of them out."
        )


class _Keys:
    """Makes runs of cells; what many runs have in common is looked up once."""

    def __init__(self, suite: Suite, registry: Registry, scenarios: Mapping[str, Scenario]) -> None:
        self.scenarios = scenarios
        self._parameters: dict[str, dict[str, Any]] = {REFERENCE: {}}
        self._versions = {REFERENCE: __version__}
        for name in suite.frameworks:
            found = registry.framework(name)
            self._versions[name] = found.version
            self._parameters[name] = _parameters(
                name, found.defaults, suite.parameters.get(name, {})
            )
        self._graders = {
            name: grader_of(registry.environment(one.environment), one, suite.grader)
            for name, one in scenarios.items()
        }
        self._budgets = {name: asdict(one.budget) for name, one in scenarios.items()}
        self._conditions: dict[str, str] = {}
        self._registry = registry

    def run(self, cell: Cell) -> PlannedRun:
        """Return the run of a cell."""
        arm, block = cell
        if block.condition not in self._conditions:
            self._conditions[block.condition] = _version(self._registry, block.condition)
        scenario = self.scenarios[block.scenario]
        key = RunKey(
            framework=arm.framework,
            framework_version=self._versions[arm.framework],
            topology=arm.topology,
            scenario=block.scenario,
            scenario_version=scenario.version,
            condition=block.condition,
            condition_version=self._conditions[block.condition],
            model=block.model,
            seed=block.seed,
            grader=self._graders[block.scenario],
            parameters=self._parameters[arm.framework],
            budget=self._budgets[block.scenario],
        )
        return PlannedRun(scenario=scenario, key=key)


def _version(registry: Registry, condition: str) -> str:
    """Return a condition's version; a changed condition makes other runs."""
    return "" if condition == CLEAN else registry.condition(condition).version


def _parameters(
    framework: str, defaults: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    for name in changes:
        if name not in defaults:
            raise UnknownName(f"parameter of {framework}", name, defaults)
    return {**defaults, **changes}
