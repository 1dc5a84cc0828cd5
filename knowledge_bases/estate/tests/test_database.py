from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest

from fleetgym_estate.background import background
from fleetgym_estate.database import write
from fleetgym_estate.estate import Estate
from fleetgym_estate.estate_draw import draw_estate
from fleetgym_estate.event import Event
from fleetgym_estate.rows import complete
from fleetgym_estate.schema import TABLES, TIME_COLUMN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLANTED_TABLES = ("AKSAudit", "DeviceProcessEvents", "OfficeActivity")


def _planted(estate: Estate) -> list[Event]:
    rng = np.random.default_rng(5)
    return [
        Event(
            table=table,
            values=complete(
                estate,
                rng,
                table,
                {TIME_COLUMN[table]: estate.start + timedelta(hours=40 - 3 * index)},
            ),
        )
        for table in PLANTED_TABLES
        for index in range(5)
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    estate = draw_estate(3)
    path: Path = tmp_path_factory.mktemp("db") / "it's telemetry.duckdb"
    planted = _planted(estate)
    rowids = write(path, background(estate, np.random.default_rng(3), 3000), planted)
    with duckdb.connect(path, read_only=True) as connection:
        yield {"connection": connection, "rowids": rowids, "planted": planted}


def test_the_file_has_the_schema_and_nothing_else(written: dict[str, Any]) -> None:
    found = written["connection"].execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal "
        "ORDER BY table_name, column_index"
    )
    expected = [
        (table, column.name, column.type) for table in sorted(TABLES) for column in TABLES[table]
    ]
    assert sorted(found.fetchall(), key=lambda row: row[0]) == expected


@pytest.mark.parametrize("table", TABLES)
def test_row_ids_count_up_in_order_of_time(written: dict[str, Any], table: str) -> None:
    rows = written["connection"].execute(
        f'SELECT rowid, "{TIME_COLUMN[table]}" FROM "{table}" ORDER BY rowid'
    )
    ids, times = zip(*rows.fetchall(), strict=True)
    assert list(ids) == list(range(len(ids)))
    assert list(times) == sorted(times)


@pytest.mark.parametrize("index", range(5 * len(PLANTED_TABLES)))
def test_a_planted_row_is_found_by_its_id_as_it_was_completed(
    written: dict[str, Any], index: int
) -> None:
    event, rowid = written["planted"][index], written["rowids"][index]
    columns = [column.name for column in TABLES[event.table]]
    row = written["connection"].execute(f'SELECT * FROM "{event.table}" WHERE rowid = {rowid}')
    assert dict(zip(columns, row.fetchone(), strict=True)) == event.values


def test_without_planted_rows_there_are_no_ids(tmp_path: Path) -> None:
    estate = draw_estate(3)
    life = background(estate, np.random.default_rng(3), 1000)
    assert write(tmp_path / "t.duckdb", life, []) == ()
