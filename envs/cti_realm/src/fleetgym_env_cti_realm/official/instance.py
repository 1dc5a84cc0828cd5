"""Scenarios, telemetry and knowledge base of the data set, made once and kept by its digest."""

from __future__ import annotations

import json
import os
import re
import shutil
from functools import cache
from typing import TYPE_CHECKING, Any

from fleetgym import home
from fleetgym.contracts.errors import OperatorError, SpecError
from fleetgym.contracts.scenario import Budget, Scenario
from fleetgym.held import held_directory
from fleetgym_env_cti_realm.instance import DATABASE
from fleetgym_env_cti_realm.official import telemetry
from fleetgym_env_cti_realm.official.files import DataSet
from fleetgym_env_cti_realm.scenarios import scenarios as own_scenarios
from fleetgym_graders.detection import DetectionTruth
from fleetgym_kb import attack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["generate", "is_official", "knowledge_base", "scenarios"]

_KEY = "official"
_NOT_THEIRS = {"search_cti_reports", "execute_sql_query"}
"""Tools of ours that the reference does not have."""

_BUDGET = Budget(steps=34, model_calls=70, tokens=5_000_000, seconds=900.0)
"""The reference ends an episode after 70 messages: the task, and 34 calls with their results."""

_SUCCESS_AT = 0.58
"""Four fifths of what can be earned without a judge."""

_VERSION_DIGITS = 7


def scenarios(directory: Path) -> tuple[Scenario, ...]:
    """Return the tasks of the data set in ``directory``, by selection.

    Raises:
        SpecError: It is no such data set, or not whole, or a line of it is wrong.
    """
    return _scenarios(directory.resolve())


@cache
def _scenarios(directory: Path) -> tuple[Scenario, ...]:
    data = DataSet(directory)
    like = own_scenarios()[0]
    digest = data.digest()
    found: dict[str, Scenario] = {}
    for selection in data.sets:
        for sample in data.samples(selection):
            name = re.sub(r"[^a-z0-9]+", "-", sample.id.lower()).strip("-")
            id_ = f"official-{selection}/{name}"
            if id_ in found:
                raise SpecError(f"{directory}: two samples of set {selection} are called {name!r}.")
            found[id_] = Scenario(
                id=id_,
                version=int(digest[:_VERSION_DIGITS], 16),
                environment=like.environment,
                title=_title(sample.objective),
                platform="official",
                difficulty="unrated",
                system=like.system,
                prompt="DETECTION OBJECTIVE:\n" + sample.objective,
                tools=tuple(tool for tool in like.tools if tool not in _NOT_THEIRS),
                minimal_tools=like.minimal_tools,
                memory=data.memory(),
                artifact_schema=like.artifact_schema,
                checkpoints={"cti/compat": like.checkpoints["cti/compat"]},
                budget=_BUDGET,
                success_at=_SUCCESS_AT,
                parameters={
                    _KEY: digest,
                    "sample": sample.id,
                    "techniques": list(sample.techniques),
                    "tables": list(sample.tables),
                    "patterns": dict(sample.patterns),
                },
                needs_model=True,
                source=directory,
            )
    return tuple(found.values())


def _title(objective: str) -> str:
    line = " ".join(objective.split())
    return line if len(line) <= 80 else line[:79] + "…"


def is_official(scenario: Scenario) -> bool:
    """Say whether a scenario is one of :func:`scenarios`."""
    return _KEY in scenario.parameters


def generate(scenario: Scenario, directory: Path) -> tuple[str, DetectionTruth]:
    """Put the telemetry into ``directory``; it is the same for every sample and seed."""
    database = _kept(scenario, "telemetry", _make_telemetry) / DATABASE
    try:
        os.link(database, directory / DATABASE)
    except OSError:  # another file system
        shutil.copyfile(database, directory / DATABASE)
    declared = scenario.parameters
    truth = DetectionTruth(
        report_ids=frozenset(),
        report_tags={},
        techniques=frozenset(declared["techniques"]),
        tables=frozenset(declared["tables"]),
        rows={},
        patterns=declared["patterns"],
        objective=scenario.prompt.partition("\n")[2],
    )
    return scenario.prompt, truth


def knowledge_base(scenario: Scenario) -> Path:
    """Return a directory with the set's reports and rules, and the ATT&CK of ``fleetgym_kb``."""
    return _kept(scenario, "kb", _make_knowledge_base)


def _make_telemetry(data: DataSet, place: Path) -> None:
    telemetry.write(data.telemetry(), place / DATABASE)


def _make_knowledge_base(data: DataSet, place: Path) -> None:
    content: Mapping[str, Any] = {
        "reports.json": data.reports(),
        "sigma.json": data.rules(),
        "techniques.json": attack.techniques(),
    }
    for name, value in content.items():
        (place / name).write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def _kept(scenario: Scenario, what: str, make: Callable[[DataSet, Path], None]) -> Path:
    """Return a directory that is made once for each data set, by whoever comes first."""
    assert scenario.source is not None
    root = home.cache("official")
    place = root / f"{what}-{scenario.parameters[_KEY][:32]}"
    if place.is_dir():
        return place
    try:
        with held_directory(root, ".making-") as making:
            made = making / what
            made.mkdir()
            make(DataSet(scenario.source), made)
            made.chmod(0o755)
            made.replace(place)
    except OSError as error:
        if not place.is_dir():  # else another process was faster
            raise OperatorError(
                f"The data set cannot be prepared in {str(root)!r}: {error.strerror}. Free some "
                "space or set FLEETGYM_HOME to a writable directory."
            ) from error
    return place
