"""The deterministic grader of data contracts: a query is executed, also on rows nobody has seen.

What columns are for is mostly guessed right by their types, so the part for it is the cube of the
share that is right.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from fleetgym.contracts.scoring import Checkpoint
from fleetgym.contracts.tools import ToolCall
from fleetgym_graders.answers import ask
from fleetgym_graders.data_contract import read_contract
from fleetgym_graders.measures import f1
from fleetgym_graders.tables import same_rows
from fleetgym_graders.trajectories import facts_of, results_seen, share_of_tables_seen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fleetgym.contracts.json import JsonObject
    from fleetgym.contracts.scoring import Trajectory
    from fleetgym.contracts.tools import ToolResult
    from fleetgym_graders.trajectories import Result

__all__ = ["ExplorationGrader", "ExplorationTruth", "TableTruth"]

_POWER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTruth:
    """What a table is."""

    entity: str
    keys: Sequence[Sequence[str]]
    """Each set of columns that may be called its key."""

    columns: Mapping[str, Sequence[str]]
    """Role and unit of each column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplorationTruth:
    """What a contract is judged by."""

    tables: Mapping[str, TableTruth]
    relations: Sequence[Sequence[str]]
    """Pairs of ``table.column``: the reference, and the identifier."""

    columns: Sequence[str]
    """Of the answer."""

    answers: Sequence[Sequence[Sequence[Any]]]
    """Rows of the answer, of the tables that were seen and of their twins."""

    def to_json(self) -> JsonObject:
        """Return the truth as JSON; :meth:`from_json` restores it."""
        return cast("JsonObject", json.loads(json.dumps(asdict(self))))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ExplorationTruth:
        """Return the truth that :meth:`to_json` gave.

        Raises:
            KeyError: A field is missing.
        """
        tables = {name: TableTruth(**table) for name, table in data["tables"].items()}
        return cls(
            tables=tables,
            relations=data["relations"],
            columns=data["columns"],
            answers=data["answers"],
        )


class ExplorationGrader:
    """Grades data contracts."""

    name = "exploration/strict"
    version = "1"

    def read(self, answer: str) -> Mapping[str, Any]:
        """Return the contract in ``answer``.

        Raises:
            ToolError: It does not have the required form.
        """
        return read_contract(answer)

    def examine(
        self, artifact: Mapping[str, Any], execute: Callable[[ToolCall], ToolResult]
    ) -> Mapping[str, Any]:
        """Execute the query in the sandbox, on the tables and on their twins.

        Returns:
            ``tables`` and ``relations`` of the artifact, and what came of the query: ``ok`` with
            ``results``, or ``error``.
        """
        outcome = ask(execute, ToolCall("grade_sql", {"query": artifact["sql"]}))
        return {
            "tables": artifact["tables"], "relations": artifact["relations"], "outcome": outcome,
        }  # fmt: skip

    def checkpoints(self, truth: ExplorationTruth) -> Sequence[Checkpoint]:
        """Return the six checkpoints of an instance."""
        table: tuple[tuple[str, float, Callable[[ExplorationTruth, Trajectory], float]], ...] = (
            ("E0_exploration", 0.05, _explored),
            ("E1_trial", 0.15, _tried),
            ("E2_tables", 0.15, _tables),
            ("E3_relations", 0.20, _relations),
            ("E4_columns", 0.20, _columns),
            ("E5_answer", 0.25, _answer),
        )
        return tuple(
            Checkpoint(name=name, weight=weight, reached=partial(reached, truth))
            for name, weight, reached in table
        )


def _explored(truth: ExplorationTruth, trajectory: Trajectory) -> float:
    """Return the share of the tables that were looked at."""
    return share_of_tables_seen(truth.tables, trajectory)


def _tried(truth: ExplorationTruth, trajectory: Trajectory) -> float:
    """Return the best F1 of the answer's rows that a query has shown so far."""
    return max((_f1_of_rows(truth, seen, 0) for seen in results_seen(trajectory)), default=0.0)


def _tables(truth: ExplorationTruth, trajectory: Trajectory) -> float:
    """Return the share of tables with entity and key right, over tables that there are or said."""
    said = _said(trajectory)
    right = sum(
        said[name]["entity"] == table.entity
        and sorted(said[name]["key"]) in [sorted(key) for key in table.keys]
        for name, table in truth.tables.items()
        if name in said
    )
    return right / len({*said, *truth.tables})


def _relations(truth: ExplorationTruth, trajectory: Trajectory) -> float:
    """Return the F1 of the relations."""
    said = {(one["from"], one["to"]) for one in facts_of(trajectory).get("relations", ())}
    wanted = {(source, target) for source, target in truth.relations}
    return f1(hits=len(said & wanted), predicted=len(said), expected=len(wanted))


def _columns(truth: ExplorationTruth, trajectory: Trajectory) -> float:
    """Return the cube of the share of columns with role and unit right."""
    said = _said(trajectory)
    total = right = 0
    for name, table in truth.tables.items():
        told = {
            one["column"]: [one["role"], one["unit"]]
            for one in said.get(name, {"columns": ()})["columns"]
        }
        total += len(table.columns)
        right += sum(told.get(column) == list(wanted) for column, wanted in table.columns.items())
    return (right / total) ** _POWER


def _answer(truth: ExplorationTruth, trajectory: Trajectory) -> float:
    """Return the product of the F1 of the rows, here and on the twins."""
    results = facts_of(trajectory).get("outcome", {}).get("results", ())
    if len(results) != len(truth.answers):
        return 0.0
    worth = 1.0
    for index, result in enumerate(results):
        worth *= _f1_of_rows(truth, result, index)
    return worth


def _f1_of_rows(truth: ExplorationTruth, result: Result, index: int) -> float:
    """Return the F1 of a result's rows as the answer on the tables (0) or on a twin of them."""
    expected = truth.answers[index]
    hits = same_rows(result["columns"], result["rows"], truth.columns, expected)
    return f1(hits=hits, predicted=result["total"], expected=len(expected))


def _said(trajectory: Trajectory) -> dict[str, Mapping[str, Any]]:
    """Return what the contract says of each table; of one that stands there twice, nothing."""
    tables = facts_of(trajectory).get("tables", ())
    times = Counter(one["table"] for one in tables)
    return {one["table"]: one for one in tables if times[one["table"]] == 1}
