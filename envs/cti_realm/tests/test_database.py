from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest

from fleetgym_env_cti_realm.background import background
from fleetgym_env_cti_realm.database import Planted, write
from fleetgym_env_cti_realm.estate import Estate
from fleetgym_env_cti_realm.estate_draw import draw_estate
from fleetgym_env_cti_realm.rows import complete
from fleetgym_env_cti_realm.schema import TABLES, TIME_COLUMN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ATTACK_TABLES = ("AKSAudit", "DeviceProcessEvents", "OfficeActivity")


def _planted(estate: Estate) -> list[Planted]:
    rng = np.random.default_rng(5)
    return [
        Planted(
            table=table,
            values=complete(
                estate,
                rng,
                table,
                {TIME_COLUMN[table]: estate.start + timedelta(hours=40 - 3 * index)},
            ),
            attack=attack,
        )
        for table in ATTACK_TABLES
        for index, attack in enumerate((True, False, True, True, False))
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    estate = draw_estate(3)
    path: Path = tmp_path_factory.mktemp("db") / "it's telemetry.duckdb"
    planted = _planted(estate)
    truth = write(path, background(estate, np.random.default_rng(3), 3000), planted)
    with duckdb.connect(path, read_only=True) as connection:
        yield {"connection": connection, "truth": truth, "planted": planted}


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


def test_the_truth_is_the_attacks_rows_and_no_look_alike(written: dict[str, Any]) -> None:
    assert sorted(written["truth"]) == sorted(ATTACK_TABLES)
    for table in ATTACK_TABLES:
        expected = sorted(
            row.values[TIME_COLUMN[table]]
            for row in written["planted"]
            if row.table == table and row.attack
        )
        ids = ", ".join(map(str, written["truth"][table]))
        found = written["connection"].execute(
            f'SELECT "{TIME_COLUMN[table]}" FROM "{table}" WHERE rowid IN ({ids}) ORDER BY 1'
        )
        assert [row[0] for row in found.fetchall()] == expected


@pytest.mark.parametrize("table", ATTACK_TABLES)
def test_a_planted_row_is_written_as_it_was_completed(written: dict[str, Any], table: str) -> None:
    first = next(row for row in written["planted"] if row.table == table and row.attack)
    rowid = written["truth"][table][-1]
    columns = [column.name for column in TABLES[table]]
    row = written["connection"].execute(f'SELECT * FROM "{table}" WHERE rowid = {rowid}')
    assert dict(zip(columns, row.fetchone(), strict=True)) == first.values


def test_without_planted_rows_there_is_no_truth(tmp_path: Path) -> None:
    estate = draw_estate(3)
    life = background(estate, np.random.default_rng(3), 1000)
    assert write(tmp_path / "t.duckdb", life, []) == {}
