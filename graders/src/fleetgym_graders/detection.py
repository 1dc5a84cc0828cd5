"""What an instance of a detection task expects; never leaves the runner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.json import JsonObject

__all__ = ["DetectionTruth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionTruth:
    """Ground truth of one instance."""

    report_ids: frozenset[str]
    """The reports that describe the intrusion."""

    report_tags: Mapping[str, frozenset[str]]
    """All tags of each of those reports, by report id."""

    techniques: frozenset[str]
    """ATT&CK ids as in ``T1053.003``, upper case."""

    tables: frozenset[str]
    """The tables worth opening."""

    rows: Mapping[str, frozenset[int]]
    """Row ids of the attack rows that the query has to return, by table."""

    patterns: Mapping[str, str]
    """Column name to regular expression; only the ``compat`` grader reads it."""

    objective: str = ""
    """What is to be detected, in words; only a judge of the ``compat`` grader reads it."""

    def to_json(self) -> JsonObject:
        """Return the truth as JSON, sets sorted; :meth:`from_json` restores an equal one."""
        return {
            "report_ids": sorted(self.report_ids),
            "report_tags": {name: sorted(tags) for name, tags in sorted(self.report_tags.items())},
            "techniques": sorted(self.techniques),
            "tables": sorted(self.tables),
            "rows": {table: sorted(rows) for table, rows in sorted(self.rows.items())},
            "patterns": dict(sorted(self.patterns.items())),
            "objective": self.objective,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DetectionTruth:
        """Return the truth that :meth:`to_json` gave.

        Raises:
            KeyError: A field is missing.
        """
        return cls(
            report_ids=frozenset(data["report_ids"]),
            report_tags={name: frozenset(tags) for name, tags in data["report_tags"].items()},
            techniques=frozenset(data["techniques"]),
            tables=frozenset(data["tables"]),
            rows={table: frozenset(rows) for table, rows in data["rows"].items()},
            patterns=dict(data["patterns"]),
            objective=data.get("objective", ""),
        )
