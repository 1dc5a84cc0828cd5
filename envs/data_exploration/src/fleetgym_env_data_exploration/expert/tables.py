"""Looking at tables: their profiles, what a query says, and which columns name rows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.policy import ask, ask_all
from fleetgym.contracts.tools import ToolCall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.policy import Moves

__all__ = ["Column", "Table", "look", "query", "quoted"]

_IDENTIFIER = re.compile(r"[A-Z]\d{7}")
_LARGEST_STEP = 10


@dataclass(slots=True, kw_only=True, eq=False)
class Column:
    """A column: what its profile says, and what it is taken for."""

    table: str
    name: str
    type: str
    rows: int
    nulls: int
    distinct: int
    least: Any
    most: Any
    role: str = ""
    unit: str = "none"
    refers: Column | None = None
    """The identifier that it refers to."""

    domain: str = ""
    """The list that its codes are of."""

    @property
    def unique(self) -> bool:
        """Whether no value stands twice, and none is missing."""
        return self.distinct == self.rows

    @property
    def place(self) -> str:
        """Table and column."""
        return f"{self.table}.{self.name}"

    @property
    def counts(self) -> bool:
        """Whether it counts rows, from 1 on."""
        return self.type == "BIGINT" and self.unique and (self.least, self.most) == (1, self.rows)

    @property
    def numbered(self) -> bool:
        """Whether it looks like identifiers: unique, and in equal steps or with a letter."""
        if self.type == "VARCHAR":
            return self.unique and self.lettered
        if self.type != "BIGINT" or not self.unique or self.counts or self.rows < 2:
            return False
        step, rest = divmod(self.most - self.least, self.rows - 1)
        return rest == 0 and step <= _LARGEST_STEP

    @property
    def lettered(self) -> bool:
        """Whether values are a letter with seven digits."""
        return self.type == "VARCHAR" and bool(_IDENTIFIER.fullmatch(str(self.least)))

    def sql(self, alias: str) -> str:
        """Return it in a query."""
        return f"{alias}.{quoted(self.name)}"


@dataclass(slots=True, kw_only=True, eq=False)
class Table:
    """A table, and what it is taken for."""

    name: str
    columns: list[Column]
    entity: str = ""
    key: list[Column] = field(default_factory=list[Column])

    def of(self, role: str) -> list[Column]:
        """Return its columns of one role."""
        return [column for column in self.columns if column.role == role]

    @property
    def parents(self) -> list[str]:
        """The tables that it refers to."""
        return [c.refers.table for c in self.columns if c.refers is not None]


def look() -> Moves[dict[str, Table]]:
    """Profile every table and look at some rows of it."""
    listed = json.loads((yield from ask("list_tables")))["tables"]
    found: dict[str, Table] = {}
    names = [str(one["table"]) for one in listed]
    said = yield from ask_all(
        [ToolCall(tool, {"table": n}) for n in names for tool in ("profile_table", "sample_rows")],
        json.loads,
    )
    for name, profile in zip(names, said[::2], strict=True):
        columns = [
            Column(
                table=name, name=c["column"], type=c["type"], rows=profile["rows"],
                nulls=c["nulls"], distinct=c["distinct"], least=c["min"], most=c["max"],
            )
            for c in profile["columns"]
        ]  # fmt: skip
        found[name] = Table(name=name, columns=columns)
    return found


def query(sql: str) -> Moves[Sequence[Mapping[str, Any]]]:
    """Run a query and return its rows by column."""
    answer = json.loads((yield from ask("run_sql", query=sql)))
    return [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]


def quoted(name: str) -> str:
    """Return a quoted identifier."""
    return f'"{name}"'
