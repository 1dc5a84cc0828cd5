"""The deterministic grader of data quality reports: every query in them is executed three times.

Once on the tables that were seen; once on their *twins*, other rows with the same defects at
another time; and once on tables in which nothing is wrong. What counts is what holds on all of
them: the rows that are wrong here and there, a panel that counts them there and nothing where
nothing is, a check that is silent there.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from fleetgym.contracts.scoring import Checkpoint
from fleetgym.contracts.tools import ToolCall
from fleetgym_graders.answers import ask
from fleetgym_graders.measures import f1
from fleetgym_graders.quality_report import read_quality
from fleetgym_graders.tables import same_rows
from fleetgym_graders.trajectories import facts_of, results_seen, share_of_tables_seen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fleetgym.contracts.json import JsonObject
    from fleetgym.contracts.scoring import Trajectory
    from fleetgym.contracts.tools import ToolResult
    from fleetgym_graders.trajectories import Result

__all__ = ["DefectTruth", "QualityGrader", "QualityTruth"]

_NEAR = 0.1
"""By how much of the count of wrong rows a panel may be off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectTruth:
    """What is wrong with a column."""

    place: str
    """Table and column."""

    kind: str
    rows: Sequence[Sequence[int]]
    """Identifiers of the wrong rows, here and on the twins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityTruth:
    """What a report is judged by."""

    tables: Sequence[str]
    defects: Sequence[DefectTruth]
    columns: Sequence[str]
    """Of the metric."""

    metrics: Sequence[Sequence[Sequence[Any]]]
    """Rows of the metric, here and on the twins."""

    def to_json(self) -> JsonObject:
        """Return the truth as JSON; :meth:`from_json` restores it."""
        return cast("JsonObject", json.loads(json.dumps(asdict(self))))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> QualityTruth:
        """Return the truth that :meth:`to_json` gave.

        Raises:
            KeyError: A field is missing.
        """
        return cls(
            tables=data["tables"],
            defects=[DefectTruth(**defect) for defect in data["defects"]],
            columns=data["columns"],
            metrics=data["metrics"],
        )


class QualityGrader:
    """Grades data quality reports."""

    name = "quality/strict"
    version = "1"

    def read(self, answer: str) -> Mapping[str, Any]:
        """Return the report in ``answer``.

        Raises:
            ToolError: It does not have the required form.
        """
        return read_quality(answer)

    def examine(
        self, artifact: Mapping[str, Any], execute: Callable[[ToolCall], ToolResult]
    ) -> Mapping[str, Any]:
        """Execute every query of the report, here, on the twins and where nothing is wrong.

        Returns:
            ``defects``, ``panels`` and ``entries`` of the artifact with what came of their query,
            and ``metric``, what came of that one.
        """

        def run(query: str) -> Mapping[str, Any]:
            return ask(execute, ToolCall("grade_sql", {"query": query}))

        return {
            "defects": [
                {"place": one["place"], "kind": one["kind"], "outcome": run(one["rows_sql"])}
                for one in artifact["defects"]
            ],
            "panels": [
                {"place": one["watches"], "outcome": run(one["sql"])}
                for one in artifact["dashboard"]["panels"]
            ],
            "entries": [
                {"place": one["place"], "outcome": run(one["check_sql"])}
                for one in artifact["runbook"]["entries"]
            ],
            "metric": run(artifact["metric_sql"]),
        }

    def checkpoints(self, truth: QualityTruth) -> Sequence[Checkpoint]:
        """Return the seven checkpoints of an instance."""
        table: tuple[tuple[str, float, Callable[[QualityTruth, Trajectory], float]], ...] = (
            ("Q0_exploration", 0.05, _explored),
            ("Q1_trial", 0.15, _tried),
            ("Q2_defects", 0.20, _defects),
            ("Q3_rows", 0.25, _rows),
            ("Q4_metric", 0.15, _metric),
            ("Q5_dashboard", 0.10, partial(_watched, "panels", _counts)),
            ("Q6_runbook", 0.10, partial(_watched, "entries", _checks)),
        )
        return tuple(
            Checkpoint(name=name, weight=weight, reached=partial(reached, truth))
            for name, weight, reached in table
        )


def _explored(truth: QualityTruth, trajectory: Trajectory) -> float:
    """Return the share of the tables that were looked at."""
    return share_of_tables_seen(truth.tables, trajectory)


def _tried(truth: QualityTruth, trajectory: Trajectory) -> float:
    """Return the share of defects and metric whose rows a query has shown so far, each by F1."""
    seen = list(results_seen(trajectory))
    best = [
        max((_f1_of_ids(result, defect.rows[0]) for result in seen), default=0.0)
        for defect in truth.defects
    ]
    best.append(max((_f1_of_metric(truth, result, 0) for result in seen), default=0.0))
    return sum(best) / len(best)


def _defects(truth: QualityTruth, trajectory: Trajectory) -> float:
    """Return precision times recall of the defects, by place and kind."""
    said = {(one["place"], one["kind"]) for one in facts_of(trajectory).get("defects", ())}
    wanted = {(one.place, one.kind) for one in truth.defects}
    return len(said & wanted) ** 2 / (len(said) * len(wanted)) if said else 0.0


def _rows(truth: QualityTruth, trajectory: Trajectory) -> float:
    """Return the mean F1 of wrong rows, here times on the twins, over all that are or are said."""
    said = {
        (one["place"], one["kind"]): one["outcome"]
        for one in facts_of(trajectory).get("defects", ())
    }
    worth = 0.0
    for defect in truth.defects:
        results = _results(said.get((defect.place, defect.kind), {}))
        if results:
            worth += _f1_of_ids(results[0], defect.rows[0]) * _f1_of_ids(results[1], defect.rows[1])
    return worth / max(len(said), len(truth.defects))


def _f1_of_ids(result: Result, expected: Sequence[int]) -> float:
    """Return the F1 of identifiers; of rows that were not shown, as many hit as of those shown."""
    hits = same_rows(result["columns"], result["rows"], ["id"], [[number] for number in expected])
    share = hits / len(result["rows"]) if result["rows"] else 0.0
    total = result["total"]
    return f1(hits=min(share * total, len(expected)), predicted=total, expected=len(expected))


def _metric(truth: QualityTruth, trajectory: Trajectory) -> float:
    """Return the F1 of the metric, here and on the twins, times what the defects are worth."""
    results = _results(facts_of(trajectory).get("metric", {}))
    worth = _defects(truth, trajectory) if results else 0.0
    for index, result in enumerate(results[: len(truth.metrics)]):
        worth *= _f1_of_metric(truth, result, index)
    return worth


def _f1_of_metric(truth: QualityTruth, result: Result, index: int) -> float:
    """Return the F1 of a result's rows as the metric of the tables (0) or of a twin of them."""
    expected = truth.metrics[index]
    hits = same_rows(result["columns"], result["rows"], truth.columns, expected)
    return f1(hits=hits, predicted=result["total"], expected=len(expected))


def _watched(
    part: str,
    holds: Callable[[Sequence[Result], DefectTruth], bool],
    truth: QualityTruth,
    trajectory: Trajectory,
) -> float:
    """Return the share of panels or entries that hold, over places there are or said."""
    said = {one["place"]: one["outcome"] for one in facts_of(trajectory).get(part, ())}
    held = 0
    for defect in truth.defects:
        results = _results(said.get(defect.place, {}))
        held += bool(results) and holds(results, defect)
    return held / max(len(said), len(truth.defects))


def _counts(results: Sequence[Result], defect: DefectTruth) -> bool:
    """Return whether days count the wrong rows on the twins, and none where nothing is wrong."""
    here, there, clean = (_by_day(result) for result in results)
    return (
        len(here) >= 2
        and len(there) >= 2
        and not any(clean.values())
        and all(
            abs(sum(days.values()) - len(rows)) <= _NEAR * len(rows)
            for days, rows in zip((here, there), defect.rows, strict=True)
        )
    )


def _by_day(result: Result) -> dict[str, float]:
    """Return values by day; nothing unless there is one row a day, with a number."""
    places = {name.casefold(): index for index, name in enumerate(result["columns"])}
    if not {"day", "value"} <= places.keys():
        return {"": 1.0} if result["rows"] else {}
    found = {str(row[places["day"]]): row[places["value"]] for row in result["rows"]}
    numbers = all(isinstance(value, int | float) for value in found.values())
    return found if numbers and len(found) == result["total"] else {"": -1.0}


def _checks(results: Sequence[Result], defect: DefectTruth) -> bool:
    """Return whether a check counts what is wrong, here and on the twins, and else nothing."""
    found = [_bad(result) for result in results]
    return found == [len(defect.rows[0]), len(defect.rows[1]), 0]


def _bad(result: Result) -> object:
    names = [name.casefold() for name in result["columns"]]
    return (
        result["rows"][0][names.index("bad")] if "bad" in names and result["total"] == 1 else None
    )


def _results(outcome: Mapping[str, Any]) -> Sequence[Result]:
    """Return what came of a query on the tables, their twins and those in order; or nothing."""
    results: Sequence[Result] = outcome.get("results", ())
    return results if len(results) == 3 else ()
