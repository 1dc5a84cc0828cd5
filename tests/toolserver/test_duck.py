"""The locked database."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import duckdb
import pytest

from fleetgym.contracts.errors import ToolError
from fleetgym.toolserver.duck import Database

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Database:
    path = tmp_path / "telemetry.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE Events AS SELECT TIMESTAMP '2026-01-01' + to_minutes(i) AS Timestamp, "
            "'h' || i % 3 AS DeviceName, i AS ProcessId FROM range(100) t(i)"
        )
    (tmp_path / "secret.csv").write_text("a\nb\n")
    return Database(path, memory_bytes=256 * 1024**2)


@pytest.mark.parametrize(
    "sql",
    [
        "SET threads = 4",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
        "SET lock_configuration = false",
        "SET TimeZone = 'Europe/Berlin'",
        "CREATE TABLE x AS SELECT 1",
        "DELETE FROM Events",
        "ATTACH ':memory:' AS other; CREATE TABLE other.x AS SELECT 1",
        "COPY Events TO '{folder}/out.csv'",
        "SELECT * FROM read_csv('{folder}/secret.csv')",
        "SELECT * FROM '{folder}/secret.csv'",
        "SELECT * FROM glob('{folder}/*')",
        "INSTALL httpfs",
        "LOAD httpfs",
    ],
)
def test_behind_the_guard_the_database_refuses_files_writes_and_settings_by_itself(
    sql: str, database: Database, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(duckdb.Error):
        database.scalar(sql.replace("{folder}", str(tmp_path)), {})
    assert sorted(tmp_path.iterdir()) == before


def test_a_result_says_how_many_rows_it_had_without_the_limit(database: Database) -> None:
    found = database.read("SELECT ProcessId FROM Events WHERE ProcessId >= 40", {}, limit=2)
    assert (found.rows, found.total) == ([(40,), (41,)], 60)


def test_rows_without_an_order_come_as_they_were_written(database: Database) -> None:
    found = database.read("SELECT ProcessId FROM Events", {}, limit=100)
    assert [row[0] for row in found.rows] == list(range(100))


def test_an_order_survives_the_limit(database: Database) -> None:
    found = database.read("SELECT ProcessId FROM Events ORDER BY ProcessId DESC", {}, limit=2)
    assert found.rows == [(99,), (98,)]


def test_now_is_the_newest_event(database: Database) -> None:
    assert database.now == datetime(2026, 1, 1, 1, 39)  # noqa: DTZ001 - as DuckDB gives it


def test_a_misspelled_column_is_answered_with_the_nearest(database: Database) -> None:
    with pytest.raises(ToolError, match=r"no column 'DeviceNam'.* Did you mean 'DeviceName'"):
        database.read("SELECT DeviceNam FROM Events", {}, limit=1)


def test_a_query_too_large_for_the_memory_limit_is_refused_and_the_next_one_runs(
    database: Database,
) -> None:
    with pytest.raises(ToolError, match="too much memory"):
        database.read("SELECT list(range) FROM range(1000000000)", {}, limit=1)
    assert database.read("SELECT 1", {}, limit=1).rows == [(1,)]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        pytest.param("SELECT * FROM Events WHERE ProcessId IN (3, 5)", [3, 5], id="whole rows"),
        pytest.param("SELECT ProcessId FROM Events WHERE ProcessId < 2", [0, 1], id="one column"),
        pytest.param("SELECT '7' AS ProcessId", [7], id="another type"),
        pytest.param("SELECT 7 AS processid, 'h0' AS DeviceName", [], id="not equal in all"),
        pytest.param("SELECT 7 AS pid", [], id="nothing shared"),
    ],
)
def test_rows_are_found_again_by_the_columns_that_a_result_shares(
    sql: str, rows: list[int], database: Database
) -> None:
    names = database.read(sql, {}, limit=1).columns
    assert database.rows_like("Events", names, sql, {}, limit=1000) == rows
