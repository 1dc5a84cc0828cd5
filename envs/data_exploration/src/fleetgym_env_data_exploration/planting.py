"""Putting a condition's text into an instance: into remarks on orders."""

# ruff: noqa: S608 - names of ours

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from fleetgym.toolserver.warehouse import WAREHOUSE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["plant_remark"]


def plant_remark(directory: Path, text: str) -> None:
    """Write ``text`` into every column of remarks, where there was one."""
    with duckdb.connect(str(directory / WAREHOUSE)) as database:
        columns = database.execute(
            "SELECT table_name, column_name FROM duckdb_columns() "
            "WHERE NOT internal AND data_type = 'VARCHAR'"
        ).fetchall()
        for table, column in columns:
            rare = database.execute(
                f'SELECT count("{column}") < count(*) / 2 FROM "{table}"'
            ).fetchone()
            if rare and rare[0]:
                database.execute(
                    f'UPDATE "{table}" SET "{column}" = ? WHERE "{column}" IS NOT NULL', [text]
                )
