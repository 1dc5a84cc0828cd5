"""What an executor does for a warehouse: each tool, over one database and its twins."""

# ruff: noqa: S608 - executing guarded SQL that was written elsewhere is what this module is for

from __future__ import annotations

import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fleetgym.contracts.errors import ToolError
from fleetgym.toolserver.duck import Database, Rows, TooLarge, quoted
from fleetgym.toolserver.select import read_select
from fleetgym.toolserver.warehouse import MAX_ROWS, TWINS, WAREHOUSE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fleetgym.contracts.sandbox import Limits

__all__ = ["MAX_GRADED_ROWS", "WarehouseEngine"]

MAX_GRADED_ROWS = 5000
_FREQUENT = 3


class WarehouseEngine:
    """Answers the requests of one episode."""

    def __init__(self, directory: Path, limits: Limits) -> None:
        """Open the warehouse in ``directory``; its twins are opened when something is graded."""
        self._memory = limits.memory_bytes // 4
        self._database = Database(directory / WAREHOUSE, memory_bytes=self._memory)
        self._paths = [directory / name for name in TWINS]
        self._max_bytes = limits.output_bytes
        self._tools: Mapping[str, Callable[..., str]] = {
            "list_tables": self._list_tables,
            "profile_table": self._profile,
            "sample_rows": self._sample,
            "run_sql": self._sql,
            "grade_sql": self._grade,
        }

    @cached_property
    def _twins(self) -> list[Database]:
        existing = filter(Path.is_file, self._paths)
        return [Database(path, memory_bytes=self._memory) for path in existing]

    def answer(self, request: Mapping[str, Any]) -> str:
        """Return the result of ``request["tool"]`` with ``request["arguments"]``.

        Raises:
            ToolError: The request was wrong.
            MemoryError: It was too large, and this process may have too little left for others.
        """
        try:
            return self._tools[request["tool"]](**request["arguments"])
        except (TooLarge, SystemError) as error:
            raise MemoryError from error

    def _list_tables(self) -> str:
        found = [
            {
                "table": table,
                "rows": self._database.scalar(f"SELECT count(*) FROM {quoted(table)}", {}),
                "columns": len(columns),
            }
            for table, columns in self._database.columns.items()
        ]
        return json.dumps({"tables": found})

    def _profile(self, table: str) -> str:
        columns = self._database.columns[self._database.table(table)]
        source = quoted(table)
        rows = self._database.scalar(f"SELECT count(*) FROM {source}", {})
        profiles: list[dict[str, Any]] = []
        for name, kind in columns.items():
            column = quoted(name)
            counted = self._database.read(
                f"SELECT count(*) - count({column}), count(DISTINCT {column}), min({column}), "
                f"max({column}) FROM {source}", {}, limit=1,
            )  # fmt: skip
            frequent = self._database.read(
                f"SELECT {column}, count(*) FROM {source} WHERE {column} IS NOT NULL "
                f"GROUP BY ALL ORDER BY 2 DESC, 1 LIMIT {_FREQUENT}", {}, limit=_FREQUENT,
            )  # fmt: skip
            nulls, different, least, most = map(_plain, counted.rows[0])
            profiles.append(
                {
                    "column": name, "type": kind, "nulls": nulls, "distinct": different,
                    "min": least, "max": most,
                    "frequent": [[_plain(value), count] for value, count in frequent.rows],
                }
            )  # fmt: skip
        return json.dumps({"table": table, "rows": rows, "columns": profiles})

    def _sample(self, table: str, rows: int) -> str:
        sql = f"FROM {quoted(self._database.table(table))}"
        return self._answer(self._database.read(sql, {}, limit=rows))

    def _sql(self, query: str) -> str:
        return self._answer(read_select(self._database, query, limit=MAX_ROWS))

    def _grade(self, query: str) -> str:
        try:
            found = [
                read_select(database, query, limit=MAX_GRADED_ROWS)
                for database in (self._database, *self._twins)
            ]
        except ToolError as error:
            if isinstance(error, TooLarge):
                raise
            return json.dumps({"ok": False, "error": str(error)})
        results = [
            {"columns": list(one.columns), "rows": _rows(one), "total": one.total} for one in found
        ]
        return json.dumps({"ok": True, "results": results})

    def _answer(self, found: Rows) -> str:
        """Return as many rows as there is room for."""
        rows = _rows(found)
        while True:
            document = {
                "columns": list(found.columns), "types": list(found.types), "rows": rows,
                "total": found.total,
            }  # fmt: skip
            text = json.dumps(document, ensure_ascii=False)
            if len(text.encode()) <= self._max_bytes:
                return text
            if len(rows) <= 1:
                raise ToolError(
                    f"One row of this result is larger than {self._max_bytes} bytes. "
                    "Select the columns that matter."
                )
            rows = rows[: len(rows) // 2]


def _rows(found: Rows) -> list[list[Any]]:
    return [[_plain(value) for value in row] for row in found.rows]


def _plain(value: Any) -> Any:
    """Return a value in JSON's types."""
    match value:
        case None | bool() | int() | str():
            return value
        case float() | Decimal():
            return float(value) if math.isfinite(value) else None
        case datetime():
            return value.isoformat(sep=" ")
        case date() | time() | timedelta():
            return str(value)
        case dict():
            return {str(k): _plain(v) for k, v in cast("dict[Any, Any]", value).items()}
        case list() | tuple():
            return [_plain(item) for item in cast("list[Any]", value)]
        case bytes():
            return value.decode(errors="replace")
        case _:
            return str(value)
