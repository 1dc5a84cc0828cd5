"""What an executor does: each telemetry tool, over one database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from duckdb_kql.types import kusto_type, net_type

from fleetgym.toolserver.duck import Database, Rows, TooLarge, quoted
from fleetgym.toolserver.grading import grade_kql, grade_sigma
from fleetgym.toolserver.kql import translate
from fleetgym.toolserver.kql_functions import add_functions
from fleetgym.toolserver.kusto_json import answer
from fleetgym.toolserver.select import read_select

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from fleetgym.contracts.sandbox import Limits

__all__ = ["QueryEngine", "warm_parsers"]


# What detection queries are made of; each construct's first use costs the parser's caches
# milliseconds.
_TYPICAL = """let hosts = dynamic(['a']); let seen = T | where Time between (ago(1d) .. now());
T | where Time > datetime(2026-01-01) and Text has_any ('a', 'b') or Text !contains "c"
| where Text in~ (hosts) and not(Text matches regex @'a+') and Text =~ 'x' and isnotempty(Text)
| extend User = tostring(Bag.user.name), Hour = bin(Time, 1h), Item = Bag['items'][0]
| mv-expand Part = Bag.parts | parse Text with * 'a' Rest
| join kind=leftanti (seen | project Text) on Text
| summarize Count = count(), Texts = make_set(Text), arg_max(Time, *) by User, Hour
| where Count >= 2 | project Time, User, Size = strlen(User) | distinct Time, User
| order by Time asc | top 5 by Time desc"""


def warm_parsers() -> None:
    """Parse a typical query, so that processes forked from this one inherit warm parsers."""
    columns = {"T": {"Time": "TIMESTAMP", "Text": "VARCHAR", "Bag": "JSON"}}
    translate(_TYPICAL, columns, datetime(2026, 1, 1, tzinfo=UTC))


class QueryEngine:
    """Answers the requests of one episode."""

    def __init__(self, path: Path, limits: Limits) -> None:
        """Open the telemetry at ``path``."""
        add_functions()
        # Half, so that most queries meet DuckDB's own limit, which it survives, before the
        # process's.
        self._database = Database(path, memory_bytes=limits.memory_bytes // 2)
        self._max_bytes = limits.output_bytes
        self._tools: Mapping[str, Callable[..., str]] = {
            "list_kusto_tables": self._list_tables,
            "get_table_schema": self._schema,
            "sample_table_data": self._sample,
            "execute_kql_query": self._kql,
            "execute_sql_query": self._sql,
            "grade_kql": self._grade_kql,
            "grade_sigma": self._grade_sigma,
        }

    def answer(self, request: Mapping[str, Any]) -> str:
        """Return the result of ``request["tool"]`` with ``request["arguments"]``.

        Raises:
            ToolError: The request was wrong.
            MemoryError: It was too large, and this process may have too little left for others.
        """
        try:
            return self._tools[request["tool"]](**request["arguments"])
        except (TooLarge, SystemError) as error:
            # Short of memory, compiled modules fail in ways that nobody has thought of: seen of
            # sqlglot's, a SystemError, and a TypeError at the query after the one too large.
            raise MemoryError from error

    def _list_tables(self) -> str:
        comments = self._database.comments()
        names = ("TableName", "DatabaseName", "Folder", "DocString")
        rows = [
            (t, "NetDefaultDB", "", comments.get(t, "")) for t in sorted(self._database.columns)
        ]
        return self._answer(_strings(names, rows))

    def _schema(self, table_name: str) -> str:
        columns = self._database.columns[self._database.table(table_name)]
        kinds = [(name, kusto_type(kind)) for name, kind in columns.items()]
        rows = [(name, i, net_type(kind), kind) for i, (name, kind) in enumerate(kinds)]
        return self._answer(
            Rows(
                columns=("ColumnName", "ColumnOrdinal", "DataType", "ColumnType"),
                types=("VARCHAR", "INTEGER", "VARCHAR", "VARCHAR"),
                rows=rows,
                total=len(rows),
            )
        )

    def _sample(self, table_name: str, rows: int) -> str:
        sql = f"FROM {quoted(self._database.table(table_name))}"
        return self._answer(self._database.read(sql, {}, limit=rows))

    def _kql(self, query: str, limit: int) -> str:
        found = translate(query, self._database.columns, self._database.now)
        return self._answer(self._database.read(found.sql, found.parameters, limit=limit))

    def _sql(self, query: str, limit: int) -> str:
        return self._answer(read_select(self._database, query, limit=limit))

    def _grade_kql(self, query: str) -> str:
        return grade_kql(self._database, query)

    def _grade_sigma(self, rule: str) -> str:
        return grade_sigma(self._database, rule)

    def _answer(self, rows: Rows) -> str:
        return answer(rows, max_bytes=self._max_bytes)


def _strings(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> Rows:
    return Rows(columns=names, types=["VARCHAR"] * len(names), rows=rows, total=len(rows))
