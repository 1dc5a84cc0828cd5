"""The data set's telemetry as one DuckDB file, with columns inferred as the reference does."""

from __future__ import annotations

import itertools
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from fleetgym.contracts.json import canonical_json
from fleetgym_env_cti_realm.official.files import json_lines
from fleetgym_estate.telemetry.draw import objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from fleetgym_estate.telemetry.draw import Array

__all__ = ["column_name", "column_types", "write"]

_LOOKED_AT = 10
_TYPES = ("bool", "int", "real", "datetime", "string", "dynamic")
"""From the narrowest to the widest."""

_SQL = {
    "bool": "BOOLEAN",
    "int": "BIGINT",
    "real": "DOUBLE",
    "datetime": "TIMESTAMP",
    "string": "VARCHAR",
    "dynamic": "JSON",
}
_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)
_ROWS = 20_000


def write(files: Mapping[str, Path], target: Path) -> None:
    """Write a table for each JSONL file into a new DuckDB file, rows in the files' order.

    Columns come from the first ten records; fields that these lack are left out, and values that
    do not fit their column are null, as when Kusto ingests them.

    Raises:
        SpecError: A line is no JSON object.
    """
    with duckdb.connect(str(target), config={"threads": 1}) as connection:
        for table, path in files.items():
            _write_table(connection, table, path)


def _write_table(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> None:
    records = (record for _, record in json_lines(path))
    first = list(itertools.islice(records, _LOOKED_AT))
    columns = column_types(first)
    if not columns:
        return  # as in the reference, where such a table is not made
    declared = ", ".join(f'"{name}" {_SQL[kind]}' for name, kind in columns.items())
    connection.execute(f'CREATE TABLE "{table}" ({declared})')
    taken = ", ".join(f'CAST("{name}" AS {_SQL[kind]})' for name, kind in columns.items())
    rows = itertools.chain(first, records)
    while part := [_named(record) for record in itertools.islice(rows, _ROWS)]:
        incoming = {
            name: _column((record.get(name) for record in part), kind)
            for name, kind in columns.items()
        }
        connection.register("incoming", incoming)
        connection.execute(f'INSERT INTO "{table}" SELECT {taken} FROM incoming')  # noqa: S608
        connection.unregister("incoming")
    for name, kind in columns.items():
        if kind == "int" and _fits_int32(connection, table, name):
            connection.execute(f'ALTER TABLE "{table}" ALTER "{name}" TYPE INTEGER')


def _fits_int32(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> bool:
    found = connection.execute(
        f'SELECT min("{column}"), max("{column}") FROM "{table}"'  # noqa: S608 - names of ours
    ).fetchone()
    return all(value is None or value in _INT32 for value in found or ())


def column_types(records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return Kusto types by column, in order of first appearance; the widest type seen wins."""
    found: dict[str, str] = {}
    for record in records:
        for field, value in record.items():
            name = column_name(field)
            kind = _kind(value)
            if name not in found or _TYPES.index(kind) > _TYPES.index(found[name]):
                found[name] = kind
    return found


def column_name(field: str) -> str:
    """Return what the reference calls a field's column."""
    name = re.sub(r"[\[\]]", "", field)
    name = re.sub(r"_+", "_", re.sub(r"[ (){}.,;]", "_", name)).strip("_")
    if name[:1].isdigit():
        name = f"Field_{name}"
    return name or "Unknown_Field"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "real"
    if isinstance(value, (dict, list)):
        return "dynamic"
    if isinstance(value, str) and _looks_like_a_time(value):
        return "datetime"
    return "string"


def _looks_like_a_time(text: str) -> bool:
    """Say what the reference takes for one; sentences may be among it."""
    if "T" in text and ("Z" in text or "+" in text):
        return True
    return text.count("-") > 1 and text.count(":") > 1


def _named(record: Mapping[str, Any]) -> dict[str, Any]:
    return {column_name(field): value for field, value in record.items()}


def _column(values: Iterable[Any], kind: str) -> Array:
    fitting = [_fitting(value, kind) for value in values]
    if kind == "datetime":
        return np.array(fitting, dtype="datetime64[us]")
    return objects(fitting)


def _fitting(value: Any, kind: str) -> Any:
    """Return ``value`` as its column holds it; None when it does not fit."""
    if value is None:
        return None
    if kind == "dynamic":
        return canonical_json(value)
    if kind == "string":
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    try:
        if kind == "datetime":
            return _moment(str(value))
        if kind == "bool":
            return _truth(value)
        number = float(value)
        return number if kind == "real" else _whole(number, value)
    except (ValueError, TypeError, OverflowError, KeyError):
        return None


def _moment(text: str) -> datetime:
    """Return a time in UTC without its zone, as the database keeps them."""
    digits = re.fullmatch(r"(.*\.\d{6})\d+(.*)", text.strip())  # Kusto's have seven
    moment = datetime.fromisoformat("".join(digits.groups()) if digits else text.strip())
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _truth(value: Any) -> bool:
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}[value.strip().lower()]
    return bool(value)


def _whole(number: float, value: Any) -> int | None:
    whole = value if isinstance(value, int) else int(number)
    return whole if number.is_integer() and whole in _INT64 else None
