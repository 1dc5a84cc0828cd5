"""A DuckDB that can read one file, and execute queries over its tables, and nothing else."""

# ruff: noqa: S608 - executing guarded SQL that was written elsewhere is what this module is for

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from fleetgym.contracts.errors import ToolError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

__all__ = ["Database", "Rows", "TooLarge", "quoted"]

_SETTINGS = {
    "enable_external_access": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "python_enable_replacements": False,
    # Nothing is written beside the file: a query too large for memory fails as that.
    "temp_directory": "",
    # One thread: rows without an order come in the same order every time.
    "threads": 1,
}


_MISSING_COLUMN = re.compile(
    r'column "([^"]+)" (?:not found|referenced)|does not have a column named "([^"]+)"',
    re.IGNORECASE,
)


class TooLarge(ToolError):
    """The query met the database's memory limit; what it has taken may not come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A result, or the start of one."""

    columns: Sequence[str]
    types: Sequence[str]
    """DuckDB's names, for example ``BIGINT``; as many as :attr:`columns`."""

    rows: Sequence[tuple[Any, ...]]
    total: int
    """How many rows there would have been without a limit."""


class Database:
    """The tables of one file. Not thread-safe."""

    def __init__(self, path: Path, *, memory_bytes: int) -> None:
        """Open and lock the file.

        Args:
            path: A DuckDB file; it is never written.
            memory_bytes: What DuckDB may allocate by its own count, which misses some. The
                process needs a limit of its own above this one.
        """
        memory = f"{max(memory_bytes // 1024**2, 16)}MiB"
        config: dict[str, Any] = {**_SETTINGS, "memory_limit": memory}
        self._connection = duckdb.connect(str(path), read_only=True, config=config)
        # These three cannot be given at the start.
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET enable_progress_bar = false")
        self._connection.execute("SET lock_configuration = true")
        self.columns = self._read_columns()
        self.now = self._newest()

    columns: Mapping[str, Mapping[str, str]]
    """Column types by column, by table, in the file's order."""

    now: datetime | None
    """The newest value of any time column: what ``now()`` means in these data."""

    def comments(self) -> Mapping[str, str]:
        """Return what the file says about each table, empty where it says nothing."""
        found = self._execute("SELECT table_name, comment FROM duckdb_tables()", {})
        return {name: comment or "" for name, comment in found.fetchall()}

    def table(self, name: str) -> str:
        """Return ``name`` if it is a table.

        Raises:
            ToolError: It is not.
        """
        if name not in self.columns:
            hint = did_you_mean(name, self.columns) or f"There are: {', '.join(self.columns)}."
            raise ToolError(f"There is no table {name!r}. {hint}")
        return name

    def read(self, sql: str, parameters: Mapping[str, Any], *, limit: int) -> Rows:
        """Execute a guarded query and return its first rows.

        Args:
            sql: One SELECT without a semicolon behind it.
            parameters: Named values; exactly those the query mentions.
            limit: Rows to return; the others are counted.

        Raises:
            ToolError: The query is wrong, or too large for the database.
        """
        try:
            # The line breaks keep a comment in the query from swallowing what follows it.
            cursor = self._execute(f"SELECT * FROM (\n{sql}\n) LIMIT {limit + 1}", parameters)
            columns = [column[0] for column in cursor.description or ()]
            types = [str(column[1]) for column in cursor.description or ()]
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            total = len(rows)
            if total > limit:
                total = self.scalar(f"SELECT count(*) FROM (\n{sql}\n)", parameters)
        except duckdb.Error as error:
            raise self._explained(error) from error
        return Rows(columns=columns, types=types, rows=rows[:limit], total=total)

    def rows_like(
        self,
        table: str,
        names: Sequence[str],
        sql: str,
        parameters: Mapping[str, Any],
        *,
        limit: int,
    ) -> list[int]:
        """Return ids of the rows of ``table`` that equal a row of a result in shared columns.

        Args:
            table: One that there is.
            names: The result's columns.
            sql: The guarded query that gave the result.
            parameters: Its named values.
            limit: How many rows of the result count.
        """
        known = {name.casefold() for name in self.columns[table]}
        shared = [quoted(name) for name in names if name.casefold() in known]
        if not shared:
            return []
        # As text, because a result may have changed a column's type.
        same = " AND ".join(
            f"CAST(t.{name} AS VARCHAR) IS NOT DISTINCT FROM CAST(r.{name} AS VARCHAR)"
            for name in shared
        )
        return self.row_ids(
            f"SELECT t.rowid FROM {quoted(table)} t "
            f"SEMI JOIN (SELECT * FROM (\n{sql}\n) LIMIT {limit}) r ON {same} ORDER BY t.rowid",
            parameters,
        )

    def row_ids(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[int]:
        """Execute a guarded query for row ids and return all of them.

        Raises:
            ToolError: The query is wrong, or too large for the database.
        """
        try:
            return [row[0] for row in self._execute(sql, parameters or {}).fetchall()]
        except duckdb.Error as error:
            raise self._explained(error) from error

    def scalar(self, sql: str, parameters: Mapping[str, Any]) -> Any:
        """Execute a guarded query and return its first value."""
        row = self._execute(sql, parameters).fetchone()
        return row[0] if row else None

    def is_select(self, sql: str) -> bool:
        """Return whether DuckDB's own parser takes ``sql`` for exactly one SELECT.

        Raises:
            ToolError: It does not parse.
        """
        try:
            found = self._connection.extract_statements(sql)
        except duckdb.Error as error:
            raise self._explained(error) from error
        return [statement.type for statement in found] == [duckdb.StatementType.SELECT]

    def _execute(self, sql: str, parameters: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
        return self._connection.execute(sql, dict(parameters) or None)

    def _read_columns(self) -> dict[str, dict[str, str]]:
        found = self._connection.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() "
            "WHERE NOT internal ORDER BY table_oid, column_index"
        )
        columns: dict[str, dict[str, str]] = {}
        for table, column, kind in found.fetchall():
            columns.setdefault(table, {})[column] = kind
        return columns

    def _newest(self) -> datetime | None:
        newest = [
            f"(SELECT max({quoted(column)}) FROM {quoted(table)})"
            for table, columns in self.columns.items()
            for column, kind in columns.items()
            if kind == "TIMESTAMP"
        ]
        return self.scalar(f"SELECT greatest({', '.join(newest)})", {}) if newest else None

    def _explained(self, error: duckdb.Error) -> ToolError:
        if isinstance(error, duckdb.OutOfMemoryException):
            return TooLarge("The query needs too much memory. Filter or summarize earlier.")
        return ToolError(self._explain(error))

    def _explain(self, error: duckdb.Error) -> str:
        """Return DuckDB's message without its excerpt of the SQL, with a near name if any."""
        text = str(error).split("\nLINE ")[0].strip()
        missing = _MISSING_COLUMN.search(text)
        if missing:
            name = next(group for group in missing.groups() if group)
            known = {column for columns in self.columns.values() for column in columns}
            hint = did_you_mean(name, known) or "Look at the schemas of the tables."
            return f"There is no column {name!r} at that point of the query. {hint}"
        return f"The query failed: {text.splitlines()[0]}"


def quoted(name: str) -> str:
    """Return ``name`` as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'
