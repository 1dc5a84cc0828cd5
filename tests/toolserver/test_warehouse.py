"""The warehouse's tools: what they show, what they refuse, and what the grader's one executes."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import pytest

from fleetgym.contracts.errors import SandboxError, ToolError
from fleetgym.contracts.sandbox import Limits
from fleetgym.toolserver import warehouse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym.contracts.sandbox import ToolFunction

Tools: TypeAlias = "Mapping[str, ToolFunction]"


def _write(path: Path, ids: list[int]) -> None:
    with duckdb.connect(str(path)) as database:
        database.execute(
            "CREATE TABLE sales AS SELECT id, DATE '2026-01-02' AS day, "
            "TIMESTAMP '2026-01-02 03:04:05' AS since, CAST(id / 4 AS DECIMAL(9, 2)) AS price, "
            "'NaN'::DOUBLE AS share, NULL::VARCHAR AS who, ['a'] AS tags "
            "FROM (SELECT unnest(?::BIGINT[]) AS id)",
            [ids],
        )
        database.execute('CREATE TABLE "odd \' name" AS SELECT range AS n FROM range(200)')


@pytest.fixture
def mounts(tmp_path: Path) -> dict[str, Path]:
    _write(tmp_path / warehouse.WAREHOUSE, [1, 2, 3])
    _write(tmp_path / warehouse.TWINS[0], [5, 7])
    return {"data": tmp_path}


@pytest.fixture
def tools(mounts: dict[str, Path]) -> Tools:
    return warehouse.open_toolset(mounts, Limits())


def test_every_tool_takes_what_its_spec_says(tools: Tools) -> None:
    for spec in warehouse.SPECS:
        taken = inspect.signature(tools[spec.name]).parameters
        assert set(taken) == set(spec.parameters["properties"]), spec.name


def test_tables_are_listed_profiled_and_sampled(tools: Tools) -> None:
    listed = json.loads(tools["list_tables"]())["tables"]
    assert listed == [
        {"table": "odd ' name", "rows": 200, "columns": 1},
        {"table": "sales", "rows": 3, "columns": 7},
    ]
    profile = json.loads(tools["profile_table"]("sales"))
    columns = {column["column"]: column for column in profile["columns"]}
    assert columns["id"] == {
        "column": "id", "type": "BIGINT", "nulls": 0, "distinct": 3, "min": 1, "max": 3,
        "frequent": [[1, 1], [2, 1], [3, 1]],
    }  # fmt: skip
    assert (columns["who"]["nulls"], columns["who"]["distinct"], columns["who"]["min"]) == (
        3,
        0,
        None,
    )
    assert columns["price"]["max"] == 0.75
    assert columns["since"]["min"] == "2026-01-02 03:04:05"
    assert columns["share"]["max"] is None, "no number is none of JSON's"
    assert json.loads(tools["sample_rows"]("odd ' name", 2))["rows"] == [[0], [1]]


def test_a_query_shows_some_rows_and_counts_all(tools: Tools) -> None:
    found = json.loads(tools["run_sql"]('SELECT n FROM "odd \' name" ORDER BY n DESC'))
    assert len(found["rows"]) == warehouse.MAX_ROWS
    assert (found["rows"][0], found["total"]) == ([199], 200)
    assert found["types"] == ["BIGINT"]
    row = json.loads(tools["run_sql"]("SELECT day, tags, {'a': price} AS s FROM sales LIMIT 1"))
    assert row["rows"] == [["2026-01-02", ["a"], {"a": 0.25}]]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT * FROM sale", "Did you mean 'sales'?"),
        ("SELECT * FROM nothing_like_it", "There are: odd ' name, sales."),
        ("SELECT pric FROM sales", "Did you mean 'price'?"),
        ("DELETE FROM sales", "Only a query"),
        ("SELECT * FROM 'twin.duckdb'", "There is no table"),
        ("ATTACH 'twin.duckdb'", "Only a query"),
        ("SELECT * FROM duckdb_tables()", "not available"),
        ("SELECT repeat('x', 20001)" + " " * 20_000, "longer than"),
        ("SELECT repeat('a', 100000000)", "larger than"),
    ],
)
def test_what_is_wrong_is_told(tools: Tools, query: str, told: str) -> None:
    with pytest.raises(ToolError) as refused:
        tools["run_sql"](query)
    assert told in str(refused.value)


def test_the_grader_sees_the_twins_rows_and_nobody_else_does(
    tools: Tools,
) -> None:
    graded = json.loads(tools["grade_sql"]("SELECT sum(id) AS s FROM sales"))
    assert graded["ok"]
    assert [one["rows"] for one in graded["results"]] == [[[6]], [[12]]]
    assert json.loads(tools["grade_sql"]("SELECT x FROM sales"))["ok"] is False
    assert "grade_sql" in warehouse.HIDDEN


def test_a_query_that_never_ends_is_a_result_for_the_grader(mounts: dict[str, Path]) -> None:
    tools = warehouse.open_toolset(mounts, Limits(call_seconds=1))
    endless = "SELECT count(*) FROM range(100000) a, range(100000) b WHERE a.range + b.range < 0"
    found: Any = json.loads(tools["grade_sql"](endless))
    assert found["ok"] is False
    assert "stopped after 1 seconds" in found["error"]
    assert json.loads(tools["run_sql"]("SELECT 1 AS one"))["rows"] == [[1]]


def test_a_mount_without_a_warehouse_is_told(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"holds no warehouse\.duckdb"):
        warehouse.open_toolset({"data": tmp_path}, Limits())
