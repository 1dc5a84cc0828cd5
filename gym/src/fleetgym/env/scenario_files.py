"""Scenarios from YAML files, and whether one that changed has a new version.

A run's id names the version of its scenario, so the same version must mean the same scenario: the
file's changelog holds the digest of each version, and :func:`version_problems` compares.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from pydantic import Field

from fleetgym.contracts.errors import SpecError
from fleetgym.contracts.scenario import Budget, Scenario
from fleetgym.contracts.tools import SUBMIT
from fleetgym.yaml_model import StrictModel, load_model

__all__ = ["ScenarioFile", "load_scenarios", "version_problems"]

if TYPE_CHECKING:
    from pathlib import Path

_DIGEST = r"^[0-9a-f]{64}$"


class Reference(StrictModel):
    """A file beside the scenario's own."""

    file: str
    """Relative to the scenario's file."""

    sha256: str = Field(pattern=_DIGEST)
    """Of its bytes, so that a changed prompt is a change of the scenario that names it."""


class BudgetFields(StrictModel):
    """See :class:`fleetgym.contracts.scenario.Budget`."""

    steps: int = Field(ge=1)
    model_calls: int = Field(ge=1)
    tokens: int = Field(ge=1)
    seconds: float = Field(gt=0)


class Change(StrictModel):
    """One version of the scenario."""

    version: int = Field(ge=1)
    digest: str = Field(pattern=_DIGEST)
    """Of all that the scenario says in this version."""

    change: str = Field(min_length=1)
    """What is different, and why, for those who compare results over versions."""


class ScenarioFile(StrictModel):
    """What a scenario's file holds; :class:`fleetgym.contracts.scenario.Scenario` explains it."""

    id: str = Field(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")
    version: int = Field(ge=1)
    environment: str
    title: str
    platform: str
    difficulty: str = Field(pattern=r"^(easy|medium|hard)$")
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
    changelog: list[Change] = Field(min_length=1)
    """The newest version last."""


def load_scenarios(directory: Path) -> tuple[Scenario, ...]:
    """Return the scenarios of all YAML files in ``directory``, in the order of their names.

    Raises:
        SpecError: A file is malformed, or names a file that is not there.
    """
    paths = sorted(directory.glob("*.yaml"))
    return tuple(_scenario(path, load_model(path, ScenarioFile)) for path in paths)


def version_problems(path: Path) -> list[str]:
    """Return what a scenario's file leaves unsaid about its version; nothing when all is well.

    Raises:
        SpecError: As :func:`load_scenarios`.
    """
    held = load_model(path, ScenarioFile)
    problems = [
        f"{field}.sha256: {reference.file!r} has {digest}"
        for field, reference in _references(held)
        if (digest := hashlib.sha256(_read(path, reference)).hexdigest()) != reference.sha256
    ]
    versions = [change.version for change in held.changelog]
    if versions != sorted(set(versions)) or versions[-1] > held.version:
        problems.append("changelog: its versions must rise, and end with the file's")
    digest = _scenario(path, held).digest()
    told = {change.version: change.digest for change in held.changelog}.get(held.version)
    if told is None:
        problems.append(
            f"changelog: says nothing of version {held.version}, whose digest is {digest}"
        )
    elif told != digest:
        problems.append(
            f"version: the scenario is not what it was in version {held.version}. Raise it by one "
            "and say in the changelog what changed; this check then tells the digest."
        )
    return problems


def _references(held: ScenarioFile) -> list[tuple[str, Reference]]:
    fields = ("prompt", "artifact_schema", "vague_prompt", "memory")
    return [(name, given) for name in fields if (given := getattr(held, name)) is not None]


def _scenario(path: Path, held: ScenarioFile) -> Scenario:
    schema = _read(path, held.artifact_schema)
    try:
        artifact_schema = json.loads(schema)
    except ValueError as error:
        raise SpecError(f"{path}: {held.artifact_schema.file!r} is not JSON: {error}.") from error
    return Scenario(
        id=held.id,
        version=held.version,
        environment=held.environment,
        title=held.title,
        platform=held.platform,
        difficulty=held.difficulty,
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
        source=path,
    )


def _text(path: Path, reference: Reference | None) -> str:
    return _read(path, reference).decode().rstrip("\n") if reference else ""


def _ending_in_submit(names: list[str]) -> tuple[str, ...]:
    return (*(name for name in names if name != SUBMIT), SUBMIT) if names else ()


def _read(path: Path, reference: Reference) -> bytes:
    target = path.parent / reference.file
    try:
        return target.read_bytes()
    except OSError as error:
        raise SpecError(f"{path}: {reference.file!r} cannot be read: {error.strerror}.") from error
