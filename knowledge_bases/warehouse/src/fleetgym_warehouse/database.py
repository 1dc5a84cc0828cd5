"""Writing columns into a DuckDB file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym_warehouse.commerce import Array

__all__ = ["Column", "answered", "write"]

Column = tuple[str, "Array"]
"""A DuckDB type, and values that can be cast to it."""


def write(path: Path, tables: Mapping[str, Mapping[str, Column]]) -> None:
    """Write tables, with their columns in order, into a file that does not exist yet."""
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        where = str(path).replace("'", "''")
        # Nothing has to be recovered from a file that is written once.
        connection.execute(f"ATTACH '{where}' AS file (RECOVERY_MODE no_wal_writes)")
        connection.execute("USE file")
        connection.begin()
        for table, columns in tables.items():
            connection.register("incoming", {name: values for name, (_, values) in columns.items()})
            selected = ", ".join(
                f'CAST("{name}" AS {kind}) AS "{name}"' for name, (kind, _) in columns.items()
            )
            connection.execute(f'CREATE TABLE "{table}" AS SELECT {selected} FROM incoming')  # noqa: S608 - names of ours
            connection.unregister("incoming")
        connection.commit()


def answered(path: Path, query: str) -> list[list[Any]]:
    """Return the rows of a query, the same every time: sums of one thread, in order."""
    with duckdb.connect(str(path), read_only=True, config={"threads": 1}) as database:
        return [list(row) for row in database.execute(f"{query} ORDER BY ALL").fetchall()]
