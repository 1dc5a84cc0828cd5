"""Finds plugins: entry points of this environment, and environments of framework plugins.

Each plugin is loaded by itself. One that cannot be imported, registers nonsense or takes a name
that is taken is listed as broken, with its reason, and stops no one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pluggy

from fleetgym import home, hookspecs
from fleetgym.contracts.errors import OperatorError, SpecError, UnknownName
from fleetgym.contracts.specs import (
    ConditionSpec,
    EnvSpec,
    FrameworkSpec,
    GraderSpec,
    ModelSpec,
    load,
)
from fleetgym.registry.frameworks import RegisteredFramework, read_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from fleetgym.contracts.condition import Condition
    from fleetgym.contracts.scenario import Scenario

__all__ = ["GROUP", "Broken", "Registry"]

GROUP = "fleetgym"
"""The one entry-point group."""

_ADD_PLUGIN = "`fleetgym plugins add FOLDER` adds a framework, or brings back one that is gone."

_Spec = TypeVar("_Spec")


@dataclass(frozen=True, slots=True)
class Broken:
    """A plugin that cannot be used."""

    name: str
    reason: str


@dataclass(slots=True)
class Registry:
    """Specs by name, and the plugins that could not be loaded."""

    environments: dict[str, EnvSpec] = field(default_factory=dict[str, EnvSpec])
    frameworks: dict[str, RegisteredFramework] = field(
        default_factory=dict[str, RegisteredFramework]
    )
    graders: dict[str, GraderSpec] = field(default_factory=dict[str, GraderSpec])
    conditions: dict[str, ConditionSpec] = field(default_factory=dict[str, ConditionSpec])
    models: dict[str, ModelSpec] = field(default_factory=dict[str, ModelSpec])
    broken: list[Broken] = field(default_factory=list[Broken])
    _declared: dict[str, Condition] = field(default_factory=dict[str, "Condition"])
    """Conditions that a suite brings; they have no entry point."""

    _scenarios: dict[str, dict[str, Scenario]] = field(
        default_factory=dict[str, "dict[str, Scenario]"]
    )

    @classmethod
    def discover(
        cls,
        points: Iterable[EntryPoint] | None = None,
        venvs: Path | None = None,
        data: Path | None = None,
    ) -> Registry:
        """Return what is installed.

        Args:
            points: Entry points of plugins; by default those of this environment.
            venvs: Folder of plugin environments; by default the state directory's.
            data: Directory of a published data set, whose samples become scenarios, too.

        Raises:
            SpecError: No environment can read the data set; says why.
        """
        registry = cls()
        for point in entry_points(group=GROUP) if points is None else points:
            registry._attempt(point.name, lambda point=point: registry._load(point))
        folder = home.venvs() if venvs is None else venvs
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if not path.name.startswith("."):
                registry._attempt(path.name, lambda path=path: registry._add(read_manifest(path)))
        if data is not None:
            registry._read(data)
        return registry

    def environment(self, name: str) -> EnvSpec:
        """Return one environment's spec, or raise ``UnknownName``."""
        return _get("environment", name, self.environments)

    def framework(self, name: str) -> RegisteredFramework:
        """Return one framework, or raise ``UnknownName``.

        Raises:
            OperatorError: Its plugin is there, but broken.
        """
        # A second plugin of the same name is broken, the first is not.
        for broken in self.broken if name not in self.frameworks else ():
            if broken.name == name:
                raise OperatorError(f"Framework {name!r} is broken: {broken.reason}")
        if name not in self.frameworks:
            raise UnknownName("framework", name, self.frameworks, remedy=_ADD_PLUGIN)
        return self.frameworks[name]

    def grader(self, name: str) -> GraderSpec:
        """Return one grader's spec, or raise ``UnknownName``."""
        return _get("grader", name, self.graders)

    def model(self, name: str) -> ModelSpec:
        """Return one model's spec, or raise ``UnknownName``."""
        return _get("model", name, self.models)

    @property
    def known_conditions(self) -> Sequence[str]:
        """Names of the conditions there are, those of a suite last."""
        return (*self.conditions, *self._declared)

    def condition(self, name: str) -> Condition:
        """Return a condition.

        Raises:
            UnknownName: There is none of this name.
            SpecError: It cannot be imported.
        """
        if name in self._declared:
            return self._declared[name]
        if name not in self.conditions:
            raise UnknownName("condition", name, self.known_conditions)
        return load(self.conditions[name].entry_point)

    def declare(self, conditions: Iterable[Condition]) -> None:
        """Add conditions that a suite brings, in place of those that another one brought.

        Raises:
            SpecError: A name is taken by a plugin.
        """
        declared = {condition.name: condition for condition in conditions}
        taken = declared.keys() & self.conditions.keys()
        if taken:
            raise SpecError(f"condition {min(taken)!r} is taken by a plugin.")
        self._declared = declared

    def scenarios(self, environment: str | None = None) -> Mapping[str, Scenario]:
        """Return scenarios by id, of one environment or of all that can tell theirs.

        Raises:
            UnknownName: There is no such environment.
            SpecError: The one environment that was asked for cannot tell its scenarios.
        """
        if environment is not None:
            return self._of(self.environment(environment))
        known: dict[str, Scenario] = {}
        for spec in list(self.environments.values()):
            self._attempt(spec.id, lambda spec=spec: known.update(self._of(spec)))
        return known

    def _read(self, data: Path) -> None:
        """Add the scenarios of a data set to those of the environment that reads it."""
        readers = [spec for spec in self.environments.values() if spec.dataset]
        problem = SpecError(f"No environment here reads data sets, so {str(data)!r} is of no use.")
        for spec in readers:
            try:
                found = load(spec.dataset)(data)
            except SpecError as error:
                problem = error
                continue
            self._scenarios[spec.id] = {**self._of(spec), **{s.id: s for s in found}}
            return
        raise problem

    def _of(self, spec: EnvSpec) -> dict[str, Scenario]:
        if spec.id not in self._scenarios:
            try:
                self._scenarios[spec.id] = {s.id: s for s in load(spec.scenarios)()}
            except Exception as error:
                raise SpecError(f"{spec.id} cannot tell its scenarios: {error}") from error
        return self._scenarios[spec.id]

    def _attempt(self, name: str, action: Callable[[], None]) -> None:
        try:
            action()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - plugins may raise anything
            reason = str(error) if isinstance(error, SpecError) else repr(error)
            if Broken(name, reason) not in self.broken:
                self.broken.append(Broken(name, reason))

    def _load(self, point: EntryPoint) -> None:
        plugin = point.load()
        manager = pluggy.PluginManager(GROUP)
        manager.add_hookspecs(hookspecs)
        manager.register(plugin, point.name)
        manager.check_pending()
        found = Registry()
        manager.hook.register_environments(register=found._environment)
        manager.hook.register_conditions(register=found._condition)
        manager.hook.register_graders(register=found._grader)
        manager.hook.register_models(register=found._model)
        manager.hook.register_frameworks(register=found._framework)
        self._merge(found)

    def _merge(self, found: Registry) -> None:
        """Take over all that one plugin offers, or nothing."""
        kinds = ("conditions", "environments", "frameworks", "graders", "models")
        for kind in kinds:
            taken = set(getattr(self, kind)) & set(getattr(found, kind))
            if taken:
                raise SpecError(f"{kind[:-1]} {min(taken)!r} is taken by another plugin.")
        for kind in kinds:
            getattr(self, kind).update(getattr(found, kind))

    def _condition(self, spec: ConditionSpec) -> None:
        _put("condition", spec.name, spec, self.conditions)

    def _environment(self, spec: EnvSpec) -> None:
        _put("environment", spec.id, spec, self.environments)

    def _grader(self, spec: GraderSpec) -> None:
        _put("grader", spec.name, spec, self.graders)

    def _model(self, spec: ModelSpec) -> None:
        _put("model", spec.name, spec, self.models)

    def _framework(self, spec: FrameworkSpec) -> None:
        self._add(_beside_us(spec))

    def _add(self, framework: RegisteredFramework) -> None:
        _put("framework", framework.spec.name, framework, self.frameworks)


def _put(kind: str, name: str, spec: _Spec, known: dict[str, _Spec]) -> None:
    if name in known:
        raise SpecError(f"{kind} {name!r} is registered twice.")
    known[name] = spec


def _beside_us(spec: FrameworkSpec) -> RegisteredFramework:
    """Return a framework that is installed in the runner's own environment."""
    try:
        versions = {name: version(name) for name in spec.distributions}
    except PackageNotFoundError as error:
        raise SpecError(f"{spec.name}: {error.name} is not installed beside it.") from error
    return RegisteredFramework(
        spec=spec,
        python=Path(sys.executable),
        versions=versions,
        defaults=dict(load(spec.entry_point).defaults),
    )


def _get(kind: str, name: str, known: Mapping[str, _Spec]) -> _Spec:
    if name not in known:
        raise UnknownName(kind, name, known)
    return known[name]
