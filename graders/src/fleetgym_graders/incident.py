"""What an instance of a triage task expects; never leaves the runner."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.json import JsonObject

__all__ = ["IncidentTruth", "Stage", "Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is true of an alert."""

    verdict: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """An act of the intruder."""

    technique: str
    began: str
    """ISO 8601 in UTC without a time zone."""

    core: Mapping[str, frozenset[int]]
    """Row ids by table: the rows that make up the act."""

    rows: Mapping[str, frozenset[int]]
    """The same with what else came of it."""

    marks: Sequence[tuple[str, str]]
    """Record id and time, to the second, of each row of ``core``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentTruth:
    """Ground truth of one instance."""

    verdicts: Mapping[str, Verdict]
    """By alert id."""

    runbooks: frozenset[str]
    """Of the rules that raised alerts."""

    records: frozenset[str]
    """Calendar entries and inventory names that make benign alerts benign."""

    assets: frozenset[str]
    accounts: frozenset[str]
    """In lower case."""

    aliases: Mapping[str, str]
    """Other names of assets and accounts, in lower case, and the name that the truth has."""

    stages: Sequence[Stage]
    """In order of time."""

    def to_json(self) -> JsonObject:
        """Return the truth as JSON, sets sorted; :meth:`from_json` restores an equal one."""
        return {
            "verdicts": {name: asdict(verdict) for name, verdict in self.verdicts.items()},
            "runbooks": sorted(self.runbooks),
            "records": sorted(self.records),
            "assets": sorted(self.assets),
            "accounts": sorted(self.accounts),
            "aliases": dict(sorted(self.aliases.items())),
            "stages": [
                {
                    "technique": stage.technique,
                    "began": stage.began,
                    "core": {table: sorted(ids) for table, ids in sorted(stage.core.items())},
                    "rows": {table: sorted(ids) for table, ids in sorted(stage.rows.items())},
                    "marks": [list(mark) for mark in stage.marks],
                }
                for stage in self.stages
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> IncidentTruth:
        """Return the truth that :meth:`to_json` gave.

        Raises:
            KeyError: A field is missing.
        """
        return cls(
            verdicts={name: Verdict(**verdict) for name, verdict in data["verdicts"].items()},
            runbooks=frozenset(data["runbooks"]),
            records=frozenset(data["records"]),
            assets=frozenset(data["assets"]),
            accounts=frozenset(data["accounts"]),
            aliases=dict(data["aliases"]),
            stages=tuple(
                Stage(
                    technique=stage["technique"],
                    began=stage["began"],
                    core={table: frozenset(ids) for table, ids in stage["core"].items()},
                    rows={table: frozenset(ids) for table, ids in stage["rows"].items()},
                    marks=tuple((record, at) for record, at in stage["marks"]),
                )
                for stage in data["stages"]
            ),
        )
