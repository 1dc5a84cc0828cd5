"""Scenarios from YAML files.

``docs/scenarios.md`` tells what a file may say and how its versions work, and
:mod:`fleetgym.scenarios.versions` asks whether it is still what its version says.
"""

from __future__ import annotations

import json
import math
from string import Formatter
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, field_validator

from fleetgym.contracts.errors import SpecError, UnknownName
from fleetgym.contracts.scenario import Budget, Scenario
from fleetgym.contracts.team import COORDINATOR, Role
from fleetgym.contracts.tools import SUBMIT
from fleetgym.yaml_model import StrictModel, load_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["ScenarioFile", "load_scenarios", "read_reference", "read_scenario"]

_DIGEST = r"^[0-9a-f]{64}$"


class Reference(StrictModel):
    """A file beside the scenario's own."""

    file: str
    """Relative to the scenario's file."""

    sha256: str = Field(pattern=_DIGEST)
    """Of its bytes, so that a changed prompt is a change of the scenario that names it."""


class RoleFields(StrictModel):
    """See :class:`fleetgym.contracts.team.Role`."""

    name: str = Field(pattern=r"^[a-z][a-z_]{1,30}$")
    summary: str = Field(min_length=1, pattern=r"^[^:\n]*[^.:\n]$")
    tools: list[str] = Field(min_length=1)


_ROLES = TypeAdapter(list[RoleFields])


class BudgetFields(StrictModel):
    """See :class:`fleetgym.contracts.scenario.Budget`."""

    steps: int = Field(ge=1)
    model_calls: int = Field(ge=1)
    tokens: int = Field(ge=1)
    seconds: float = Field(gt=0)


class Change(StrictModel):
    """One version of the scenario."""

    version: int = Field(ge=1)
    digest: str | None = Field(default=None, pattern=_DIGEST)
    """Of all that the scenario says in this version; None until it is written down."""

    instance: str | None = Field(default=None, pattern=_DIGEST)
    """Of what is generated for seed 0 in this version."""

    change: str = Field(min_length=1)
    """What is different, and why, for those who compare results over versions."""


class ScenarioFile(StrictModel):
    """What a scenario's file holds; :class:`fleetgym.contracts.scenario.Scenario` explains it."""

    id: str = Field(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")
    version: int = Field(ge=1)
    environment: str
    title: str
    platform: str
    difficulty: Literal["easy", "medium", "hard"]
    system: Reference | None = None
    prompt: Reference
    tools: list[str] = Field(min_length=1)
    """Names; ``submit`` is always there and need not be named."""

    artifact_schema: Reference
    checkpoints: dict[str, dict[str, float]] = Field(min_length=1)
    budget: BudgetFields
    success_at: float = Field(default=0.8, gt=0, le=1)
    parameters: dict[str, Any] = Field(default={})
    vague_prompt: Reference | None = None
    minimal_tools: list[str] = Field(default=[])
    """As ``tools``."""

    memory: Reference | None = None
    team: Reference | None = None
    """A JSON array of roles; :class:`RoleFields` is one."""

    changelog: list[Change] = Field(min_length=1)
    """The newest version last."""

    @field_validator("checkpoints")
    @classmethod
    def _sum_to_1(cls, by_grader: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for grader, weights in by_grader.items():
            total = math.fsum(weights.values())
            if abs(total - 1) > 1e-9:
                raise ValueError(f"the weights of {grader!r} sum to {total:g}, not to 1")
        return by_grader

    def references(self) -> Mapping[str, Reference]:
        """Return the files that it names, by field."""
        fields = ("system", "prompt", "vague_prompt", "memory", "team", "artifact_schema")
        return {name: given for name in fields if (given := getattr(self, name)) is not None}


def load_scenarios(directory: Path, *, order: Sequence[str] = ()) -> tuple[Scenario, ...]:
    """Return the scenarios of all YAML files in ``directory``.

    Args:
        directory: Each scenario is in a file that is called as its id ends.
        order: These first; the others come by name.

    Raises:
        SpecError: A file is malformed, or names a file that is not there.
    """
    found = {path.stem: path for path in sorted(directory.glob("*.yaml"))}
    for name in order:
        if name not in found:
            raise UnknownName(f"scenario file in {str(directory)!r}", name, found)
    return tuple(read_scenario(found[name]) for name in dict.fromkeys((*order, *found)))


def read_scenario(path: Path, held: ScenarioFile | None = None) -> Scenario:
    """Return the scenario of one file, which ``held`` is if it was loaded already.

    Raises:
        SpecError: As :func:`load_scenarios`.
    """
    held = held or load_model(path, ScenarioFile)
    if held.id.partition("/")[2] != path.stem:
        raise SpecError(f"{path}:1: id: {held.id!r} belongs into {held.id.partition('/')[2]}.yaml.")
    schema = read_reference(path, held.artifact_schema)
    try:
        artifact_schema = json.loads(schema)
    except ValueError as error:
        raise SpecError(f"{path}: {held.artifact_schema.file!r} is not JSON: {error}.") from error
    scenario = Scenario(
        id=held.id,
        version=held.version,
        environment=held.environment,
        title=held.title,
        platform=held.platform,
        difficulty=held.difficulty,
        system=_text(path, held.system),
        prompt=_text(path, held.prompt),
        tools=_ending_in_submit(held.tools),
        artifact_schema=artifact_schema,
        checkpoints=held.checkpoints,
        budget=Budget(**held.budget.model_dump()),
        success_at=held.success_at,
        parameters=held.parameters,
        vague_prompt=_text(path, held.vague_prompt),
        minimal_tools=_ending_in_submit(held.minimal_tools),
        memory=_text(path, held.memory),
        team=_team(path, held.team),
        source=path,
    )
    _check_variants(path, scenario)
    _check_team(path, scenario)
    return scenario


def read_reference(path: Path, reference: Reference) -> bytes:
    """Return what stands in a file that the scenario in ``path`` names."""
    target = path.parent / reference.file
    try:
        return target.read_bytes()
    except OSError as error:
        raise SpecError(f"{path}: {reference.file!r} cannot be read: {error.strerror}.") from error


def _check_variants(path: Path, scenario: Scenario) -> None:
    """Refuse what would fail only under a condition."""
    for name in scenario.minimal_tools:
        if name not in scenario.tools:
            unknown = UnknownName("tool", name, scenario.tools)
            raise SpecError(f"{path}: minimal_tools: not among `tools`. {unknown}")
    known = _placeholders(path, "prompt", scenario.prompt)
    for name in _placeholders(path, "vague_prompt", scenario.vague_prompt):
        if name not in known:
            unknown = UnknownName("placeholder", name, known)
            raise SpecError(f"{path}: vague_prompt: not in `prompt`. {unknown}")


def _check_team(path: Path, scenario: Scenario) -> None:
    owners: dict[str, str] = {}
    for role in scenario.team:
        if role.name == COORDINATOR or role.name in owners.values():
            raise SpecError(f"{path}: team: {role.name!r} is taken. Choose another name.")
        for name in role.tools:
            if name not in scenario.tools:
                raise SpecError(f"{path}: team: {UnknownName('tool', name, scenario.tools)}")
            if name in owners:
                raise SpecError(
                    f"{path}: team: {role.name!r} and {owners[name]!r} both have {name!r}. "
                    "A tool belongs to one of them."
                )
            owners[name] = role.name
    if scenario.team and set(owners) != {*scenario.tools}:
        missing = ", ".join(sorted({*scenario.tools} - set(owners)))
        raise SpecError(f"{path}: team: nobody has {missing}.")


def _placeholders(path: Path, field: str, prompt: str) -> set[str]:
    try:
        return {name for _, name, _, _ in Formatter().parse(prompt) if name is not None}
    except ValueError as error:
        raise SpecError(
            f"{path}: {field}: {error}. A brace that is no placeholder's is written twice."
        ) from error


def _team(path: Path, reference: Reference | None) -> tuple[Role, ...]:
    if reference is None:
        return ()
    try:
        roles = _ROLES.validate_json(read_reference(path, reference))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SpecError(f"{path}: {reference.file!r}: {where}: {first['msg']}.") from error
    return tuple(
        Role(name=role.name, summary=role.summary, tools=tuple(role.tools)) for role in roles
    )


def _text(path: Path, reference: Reference | None) -> str:
    if reference is None:
        return ""
    try:
        return read_reference(path, reference).decode().rstrip("\n")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: {reference.file!r} is not UTF-8 text.") from error


def _ending_in_submit(names: list[str]) -> tuple[str, ...]:
    return (*(name for name in names if name != SUBMIT), SUBMIT) if names else ()
