"""What the graders need to know of a query or a rule: which rows of the telemetry it finds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import ToolError
from fleetgym.toolserver.kql import translate
from fleetgym.toolserver.kusto_json import json_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetgym.toolserver.duck import Database

__all__ = ["failed_kql", "failed_sigma", "grade_kql", "grade_sigma"]

MAX_ROWS = 1000


def grade_kql(database: Database, query: str) -> str:
    """Execute ``query`` and return, as JSON, its first 1000 rows and the rows they stand for.

    A row of a table is matched when it equals some result row in all columns that the result has
    from that table, by name; a result with none of them matches nothing.
    """
    try:
        translation = translate(query, database.columns, database.now)
        result = database.read(translation.sql, translation.parameters, limit=MAX_ROWS)
        matched = {
            table: database.rows_like(
                table, result.columns, translation.sql, translation.parameters, limit=MAX_ROWS
            )
            for table in sorted(translation.tables)
        }
    except ToolError as error:
        return failed_kql(str(error))
    return _kql(
        ok=True,
        columns=list(result.columns),
        rows=json_rows(result),
        row_count=result.total,
        matched=matched,
    )


def grade_sigma(database: Database, text: str) -> str:
    """Parse, validate and execute a rule, and return, as JSON, the rows that it matches."""
    # Importing pySigma takes a fifth of a second, and only the end of an episode needs it.
    from fleetgym.toolserver.sigma import parse, row_queries  # noqa: PLC0415

    try:
        rule = parse(text)
    except ToolError as error:
        return failed_sigma(str(error))
    said: dict[str, Any] = {
        "parsed": True,
        "issues": list(rule.issues),
        "techniques": list(rule.techniques),
    }
    try:
        queries = row_queries(rule, database.columns)
        matched = {table: database.row_ids(sql) for table, sql in queries.items()}
    except ToolError as error:
        return _sigma(**said, error=str(error))
    return _sigma(**said, tables=sorted(matched), matched=matched)


def failed_kql(error: str) -> str:
    """Return :func:`grade_kql`'s answer for a query that could not be executed."""
    return _kql(ok=False, error=error)


def failed_sigma(error: str) -> str:
    """Return :func:`grade_sigma`'s answer for a rule that could not be parsed."""
    return _sigma(parsed=False, error=error)


def _kql(
    *,
    ok: bool,
    error: str = "",
    columns: Sequence[str] = (),
    rows: Sequence[Sequence[Any]] = (),
    row_count: int = 0,
    matched: dict[str, list[int]] | None = None,
) -> str:
    return json.dumps(
        {
            "ok": ok,
            "error": error,
            "columns": columns,
            "rows": rows,
            "row_count": row_count,
            "matched": matched or {},
        }
    )


def _sigma(
    *,
    parsed: bool,
    error: str = "",
    issues: Sequence[str] = (),
    tables: Sequence[str] = (),
    techniques: Sequence[str] = (),
    matched: dict[str, list[int]] | None = None,
) -> str:
    return json.dumps(
        {
            "parsed": parsed,
            "error": error,
            "issues": issues,
            "tables": tables,
            "techniques": techniques,
            "matched": matched or {},
        }
    )
