"""Results as Kusto's v1 REST answer, with the values as Kusto prints them."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from duckdb_kql.types import kusto_type, rest_datatype

from fleetgym.contracts.errors import ToolError

if TYPE_CHECKING:
    from fleetgym.toolserver.duck import Rows

__all__ = ["answer", "json_rows", "json_value"]


def answer(result: Rows, *, max_bytes: int) -> str:
    """Return ``result`` as a v1 answer of at most ``max_bytes`` bytes.

    When rows are missing, for the limit's sake or for the size's, the key ``Truncated`` beside
    ``Tables`` says how many there are.

    Raises:
        ToolError: Not even one row fits.
    """
    columns = [
        {"ColumnName": name, "DataType": rest_datatype(kind), "ColumnType": kind}
        for name, kind in zip(result.columns, map(kusto_type, result.types), strict=True)
    ]
    rows = json_rows(result)
    while True:
        document: dict[str, Any] = {
            "Tables": [{"TableName": "Table_0", "Columns": columns, "Rows": rows}]
        }
        if len(rows) < result.total:
            document["Truncated"] = {"returned": len(rows), "total": result.total}
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        if len(text.encode()) <= max_bytes:
            return text
        if len(rows) <= 1:
            raise ToolError(
                f"One row of this result is larger than {max_bytes} bytes. "
                "Project the columns that matter."
            )
        rows = rows[: len(rows) // 2]


def json_rows(result: Rows) -> list[list[Any]]:
    """Return the rows as JSON values."""
    dynamic = [kind == "JSON" for kind in result.types]
    return [
        [
            _parsed(value) if is_json and isinstance(value, str) else json_value(value)
            for value, is_json in zip(row, dynamic, strict=True)
        ]
        for row in result.rows
    ]


def json_value(value: Any) -> Any:
    """Return one value of DuckDB's as JSON: times in UTC, intervals as Kusto's timespans."""
    match value:
        case None | bool() | int() | str():
            return value
        case float() | Decimal():
            return _number(float(value))
        case dict():
            pairs = cast("dict[Any, Any]", value).items()
            return {str(key): json_value(item) for key, item in pairs}
        case list() | tuple():
            return [json_value(item) for item in cast("list[Any]", value)]
        case _:
            return _text(value)


def _text(value: object) -> str:
    match value:
        case datetime():
            return _instant(value)
        case date():
            return f"{value.isoformat()}T00:00:00Z"
        case timedelta():
            return _timespan(value)
        case bytes():
            return value.decode(errors="replace")
        case _:  # times of day and UUIDs among them
            return str(value)


def _parsed(text: str) -> Any:
    try:
        return json_value(json.loads(text))
    except ValueError:
        return text


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _instant(value: datetime) -> str:
    if value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return f"{value.isoformat()}Z"


def _timespan(value: timedelta) -> str:
    sign = "-" if value < timedelta(0) else ""
    value = abs(value)
    hours, seconds = divmod(value.seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    days = f"{value.days}." if value.days else ""
    fraction = f".{value.microseconds:06d}" if value.microseconds else ""
    return f"{sign}{days}{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"
