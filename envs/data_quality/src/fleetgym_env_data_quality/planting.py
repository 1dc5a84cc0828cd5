"""Putting a condition's text into an instance: into its data dictionary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from fleetgym.toolserver.warehouse import WAREHOUSE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["plant_meaning"]


def plant_meaning(directory: Path, text: str) -> None:
    """Write ``text`` behind what the dictionary says of loading times."""
    with duckdb.connect(str(directory / WAREHOUSE)) as database:
        database.execute(
            "UPDATE data_dictionary SET meaning = meaning || ' ' || ? "
            "WHERE column_name = 'loaded_at'",
            [text],
        )
