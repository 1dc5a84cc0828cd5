"""Where the data set's files are, and what stands in them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fleetgym.contracts.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["SETS", "TABLE_FILES", "DataSet", "Sample", "json_lines"]

SETS = ("25", "50")
"""The published selections; the larger one holds the smaller."""

TABLE_FILES = {
    "AADServicePrincipalSignInLogs": "aadserviceprincipalsigninlogs.jsonl",
    "AKSAudit": "aksaudit.jsonl",
    "AKSAuditAdmin": "aksauditadmin.jsonl",
    "AuditLogs": "auditlogs.jsonl",
    "AzureActivity": "azureactivity.jsonl",
    "AzureDiagnostics": "azurediagnostics.jsonl",
    "DeviceFileEvents": "devicefileevents.jsonl",
    "DeviceProcessEvents": "deviceprocessevents.jsonl",
    "MicrosoftGraphActivityLogs": "microsoftgraphactivitylogs.jsonl",
    "OfficeActivity": "officeactivity.jsonl",
    "SignInLogs": "signinlogs.jsonl",
    "StorageBlobLogs": "storageboblogs.jsonl",  # as it is published
}

# As the set is published, and as the reference's own downloader leaves it.
_LAYOUTS = (
    {"data": "data", "telemetry": "kusto_data", "reports": "cti_reports"},
    {"data": "data", "telemetry": "docker/kusto_init/data", "reports": "cti_reports"},
)
_BASES = (".", "cti_realm")
_MEMORY = ("workflow.md", "tool_tips.md", "patterns.md")
_BLOCK = 1 << 20

_Model = TypeVar("_Model", bound=BaseModel)


class _Loose(BaseModel):
    """Fields that nobody here reads are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class _GroundTruth(_Loose):
    mitre_techniques: list[str] = Field(default=[])
    data_sources: list[str] = Field(default=[])
    regex_patterns: dict[str, str] = Field(default={})


class _Answer(_Loose):
    id: str
    detection_description: str


class _Subtasks(_Loose):
    ground_truth: _GroundTruth | None = None
    regex_patterns: dict[str, str] = Field(default={})


class _Truth(_Loose):
    id: str
    ground_truth: _GroundTruth = _GroundTruth()
    subtasks: _Subtasks | None = None
    regex_patterns: dict[str, str] = Field(default={})

    @property
    def patterns(self) -> Mapping[str, str]:
        """What the reference compares rows with, wherever it stands."""
        if self.subtasks is not None:
            inner = self.subtasks.ground_truth
            return self.subtasks.regex_patterns if inner is None else inner.regex_patterns
        if "ground_truth" in self.model_fields_set:
            return self.ground_truth.regex_patterns
        return self.regex_patterns


class _Report(_Loose):
    id: str
    title: str
    link: str = ""
    tags: list[str] = Field(default=[])
    content: str


class _Rule(_Loose):
    title: str
    description: str = ""
    techniques: list[str] = Field(default=[])
    platform: str = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One task of the set."""

    id: str
    objective: str
    techniques: tuple[str, ...]
    tables: tuple[str, ...]
    patterns: Mapping[str, str]


class DataSet:
    """The files of one directory."""

    def __init__(self, directory: Path) -> None:
        """Find the files; reads none.

        Raises:
            SpecError: There is no such data set; says what is missing.
        """
        self.root = directory.resolve()
        found = [
            (base, layout)
            for base in _BASES
            for layout in _LAYOUTS
            if (self.root / base / layout["telemetry"]).is_dir()
        ]
        if not found:
            raise SpecError(
                f"{str(directory)!r} holds no CTI-REALM data set: there is no folder 'kusto_data' "
                "in it, nor in its folder 'cti_realm'. docs/official-data.md shows what is "
                "expected."
            )
        base, layout = found[0]
        self._places = {name: self.root / base / folder for name, folder in layout.items()}
        self._places["memory"] = self.root / base / "seed_memory"
        missing = [str(path) for path in self._required() if not path.is_file()]
        if missing or not self.sets:
            what = missing or [str(self._set_file("answers", name)) for name in SETS]
            raise SpecError(
                f"The CTI-REALM data set in {str(directory)!r} is not whole: "
                f"{len(what)} files are missing, for example {what[0]!r}."
            )

    @property
    def sets(self) -> tuple[str, ...]:
        """The selections that are there."""
        return tuple(
            name
            for name in SETS
            if self._set_file("answers", name).is_file()
            and self._set_file("samples", name).is_file()
        )

    def samples(self, selection: str) -> list[Sample]:
        """Return the tasks of a selection, in the file's order.

        Raises:
            SpecError: A line is wrong, or a task has no ground truth.
        """
        path = self._set_file("samples", selection)
        truths = {truth.id: truth for truth in _read(path, _Truth)}
        found: list[Sample] = []
        for answer in _read(self._set_file("answers", selection), _Answer):
            truth = truths.get(answer.id)
            if truth is None:
                raise SpecError(f"{path}: there is no line for the sample {answer.id!r}.")
            found.append(
                Sample(
                    id=answer.id,
                    objective=answer.detection_description,
                    techniques=tuple(truth.ground_truth.mitre_techniques),
                    tables=tuple(truth.ground_truth.data_sources),
                    patterns=truth.patterns,
                )
            )
        return found

    def reports(self) -> list[dict[str, Any]]:
        """Return the threat reports, every field of theirs."""
        path = self._places["reports"] / "reports.jsonl"
        return [{**raw, **report.model_dump()} for raw, report in _records(path, _Report)]

    def rules(self) -> list[dict[str, Any]]:
        """Return the index of Sigma rules, every field of theirs."""
        path = self._places["data"] / "sigma_rules.json"
        try:
            raw: Any = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise SpecError(f"{path}: it is not JSON: {error}.") from error
        if not isinstance(raw, list):
            raise SpecError(f"{path}: it is no array of rules.")
        return [
            {**entry, **_validated(f"{path}: rule {number}", entry, _Rule).model_dump()}
            for number, entry in enumerate(cast("list[Any]", raw), start=1)
        ]

    def memory(self) -> str:
        """Return the notes of the variant with seeded memory; empty when they are not there."""
        paths = [self._places["memory"] / name for name in _MEMORY]
        return "\n\n".join(path.read_text("utf-8").strip() for path in paths if path.is_file())

    def telemetry(self) -> dict[str, Path]:
        """Return the file of each table."""
        return {name: self._places["telemetry"] / file for name, file in TABLE_FILES.items()}

    def digest(self) -> str:
        """Return the SHA-256 of all files that decide on an episode."""
        total = hashlib.sha256()
        sets = [self._set_file(kind, s) for s in self.sets for kind in ("answers", "samples")]
        notes = [p for p in (self._places["memory"] / n for n in _MEMORY) if p.is_file()]
        for path in (*self._required(), *sets, *notes):
            total.update(path.name.encode())
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    total.update(block)
        return total.hexdigest()

    def _required(self) -> list[Path]:
        return [
            self._places["data"] / "sigma_rules.json",
            self._places["reports"] / "reports.jsonl",
            *self.telemetry().values(),
        ]

    def _set_file(self, kind: str, selection: str) -> Path:
        return self._places["data"] / f"dataset_{kind}_stratified_{selection}.jsonl"


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a JSONL file with their line numbers; blank lines do not count.

    Raises:
        SpecError: A line is no JSON object.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError as error:
                raise SpecError(f"{path}:{number}: it is not JSON: {error}.") from error
            if not isinstance(value, dict):
                raise SpecError(f"{path}:{number}: it is no JSON object.")
            yield number, value


def _records(path: Path, model: type[_Model]) -> Iterator[tuple[dict[str, Any], _Model]]:
    for number, raw in json_lines(path):
        yield raw, _validated(f"{path}:{number}", raw, model)


def _read(path: Path, model: type[_Model]) -> list[_Model]:
    return [record for _, record in _records(path, model)]


def _validated(where: str, raw: object, model: type[_Model]) -> _Model:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise SpecError(f"{where}: {field}: {first['msg']}.") from error
