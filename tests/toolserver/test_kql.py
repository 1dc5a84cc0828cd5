"""KQL to guarded SQL."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from fleetgym.contracts.errors import ToolError
from fleetgym.toolserver.kql import translate
from fleetgym.toolserver.kql_functions import add_functions

NOW = datetime(2026, 1, 2)  # noqa: DTZ001 - as DuckDB gives it
COLUMNS = {
    "Events": {
        "Timestamp": "TIMESTAMP",
        "DeviceName": "VARCHAR",
        "ProcessId": "BIGINT",
        "Extra": "JSON",
    },
    "Other": {"DeviceName": "VARCHAR", "Owner": "VARCHAR"},
}


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    add_functions()
    opened = duckdb.connect()
    opened.execute("SET TimeZone = 'UTC'")
    opened.execute(
        "CREATE TABLE Events AS SELECT TIMESTAMP '2026-01-01' + to_hours(i) AS Timestamp, "
        "'host-' || i AS DeviceName, i AS ProcessId, "
        "json_object('k', 'v' || i, 'l', [i, i + 1]) AS Extra FROM range(5) t(i)"
    )
    opened.execute("CREATE TABLE Other AS SELECT 'host-1' AS DeviceName, 'ann' AS Owner")
    return opened


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    found = translate(query, COLUMNS, NOW)
    return connection.execute(found.sql, dict(found.parameters) or None).fetchall()


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("Events | where ProcessId > 3 | project DeviceName", [("host-4",)]),
        ("Events | where DeviceName has 'HOST' | count", [(5,)]),
        ("Events | where Timestamp > ago(22h) | count", [(2,)]),
        ("Events | where Extra.k == 'v2' | project ProcessId", [(2,)]),
        ("Events | project-reorder Extra, * | top 1 by ProcessId | project ProcessId", [(4,)]),
        ("Events | where DeviceName == 'x | project-reorder y' | count", [(0,)]),
        ("Events | summarize n = makeset(ProcessId) | project arraylength(n)", [(5,)]),
        ("Events | where Extra.k == 'v1' | mvexpand Extra.l | count", [(2,)]),
        (
            "Events | extend a = column_ifexists('Gone', ProcessId + 1) | top 1 by a | project a",
            [(5,)],
        ),
        ("Events | where column_ifexists('ProcessId', 0) == 3 | count", [(1,)]),
        (
            (
                "Events | mv-apply n = Extra.l on (where toint(n) > 4 | project Found = toint(n)) "
                "| project ProcessId, Found"
            ),
            [(4, 5)],
        ),
        (
            (
                "Events | mv-apply n = Extra.l to typeof(long) on (extend m = n * 2 "
                "| where m == 2) | project ProcessId, n, m | order by ProcessId asc"
            ),
            [(0, 1, 2), (1, 1, 2)],
        ),
        ("Events | extend L = tostring(Extra.l) | mv-expand parse_json(L) | count", [(10,)]),
        ("Events | project-away D*, *ra, Time* | top 1 by ProcessId", [(4,)]),
        ("Events | project-keep Proc*, DeviceName | top 1 by ProcessId", [("host-4", 4)]),
        ("Events | sample 2 | count", [(2,)]),
        ("Events | sample-distinct 3 of DeviceName | count", [(3,)]),
        ("Events | where ProcessId == 2 | project split(DeviceName, '-', 1)", [('["2"]',)]),
        ("Events | where ingestion_time() > ago(22h) | count", [(2,)]),
        (
            (
                "Events | summarize make_set_if(ProcessId, ProcessId > 2, 9), "
                "take_anyif(DeviceName, ProcessId == 2)"
            ),
            [("[3,4]", "host-2")],
        ),
        (
            "print unixtime_microseconds_todatetime(1000000) == datetime(1970-01-01 00:00:01)",
            [(True,)],
        ),
        ("print x = 1 | where column_ifexists('x', column_ifexists('y', 2)) == 1", [(1,)]),
        ("Events | where DeviceName == 'column_ifexists(\"a\", 1)' | count", [(0,)]),
        (
            "Events | summarize minif(ProcessId, ProcessId > 1), maxif(ProcessId, ProcessId < 3)",
            [(2, 2)],
        ),
        ("print strcat_array(dynamic(['a', 'b']), '-')", [("a-b",)]),
        ("print ipv4_compare('10.0.0.1', '10.0.0.2')", [(-1,)]),
        ("Events | serialize | take 1 | project ProcessId", [(0,)]),
        (
            "let x = 3; // a comment | project-reorder\nEvents | where ProcessId == x | count",
            [(1,)],
        ),
        ("Events | join kind=inner Other on DeviceName | project Owner, ProcessId", [("ann", 1)]),
        ("union Events, Other | summarize dcount(DeviceName)", [(5,)]),
        ("Events | mv-expand item = Extra.l | where ProcessId == 0 | count", [(2,)]),
        ("Events | mv-expand Extra.l | take 1 | project tolong(Extra_l)", [(0,)]),
        ("print ipv4_is_private('172.20.1.1'), ipv4_is_private('172.32.1.1')", [(True, False)]),
        ("print ipv4_is_in_range('10.1.2.3', '10.1.0.0/16')", [(True,)]),
        (
            "print ipv4_is_in_any_range('10.1.2.3', dynamic(['11.0.0.0/8', '10.1.2.3/32']))",
            [(True,)],
        ),
        ("print has_ipv4('from 10.0.0.11', '10.0.0.1')", [(False,)]),
        ("print set_difference(dynamic([1, 2]), dynamic([2, 3]))", [("[1]",)]),
        ("Events | summarize make_set_if(ProcessId, ProcessId < 2)", [("[0,1]",)]),
        ("print url_decode('a%2Fb')", [("a/b",)]),
    ],
    ids=lambda value: value[:50] if isinstance(value, str) else "",
)
def test_it_gives_what_kusto_gives(
    query: str, rows: list[tuple[object, ...]], connection: duckdb.DuckDBPyConnection
) -> None:
    assert _rows(connection, query) == rows


@pytest.mark.parametrize(
    ("query", "advice"),
    [
        (".show tables", "Management commands are not available"),
        (".create table x (a: string)", "Management commands are not available"),
        (".set-or-replace Events <| Other", "Management commands are not available"),
        ("// hello\n.drop table Events", "does not parse|not supported|not available"),
        ("Event | take 1", "no table 'Event'. Did you mean 'Events'"),
        ("events | take 1", "no table 'events'. Did you mean 'Events'"),
        ("['/etc/passwd'] | take 1", "no table '/etc/passwd'"),
        ("duckdb_settings | take 1", "no table 'duckdb_settings'"),
        ("database('main').Events", "without a database"),
        ("cluster('x').database('y').Events", "no other clusters"),
        ("externaldata(a: string)['http://x/y']", "Nothing outside the tables"),
        ("Events | project-away Gone*", "Name each column"),
        ("Events | distinct *", "Name the columns"),
        ("search 'x'", "Use `union` of the tables"),
        ("Events | evaluate bag_unpack(Extra)", "extend x = tostring"),
        ("Events | mv-apply x = Extra.l on (top 1 by x)", "where, extend and project only"),
        ("Events | mv-apply Extra.l on (where l > 1)", "Name the item"),
        ("Events | make-series count() on Timestamp step 1h", "summarize … by bin"),
        ("Other | where ingestion_time() > ago(1d)", "Use the table's time column"),
        ("Events | mv-expand parse_json(Extra.l)", "give it a name"),
        ("Events | wher ProcessId > 3", "no operator 'wher'. Did you mean 'where'"),
        ("Events; Other", "Send one query"),
        ("Events | where", "does not parse"),
        ("", "does not parse|empty"),
        ("print rand()", "not supported"),
        ("print current_principal()", "not supported"),
        ("Events // " + "x" * 20_000, "longer than 20000"),
    ],
    ids=lambda value: value[:40],
)
def test_what_it_cannot_do_is_refused_with_advice(query: str, advice: str) -> None:
    with pytest.raises(ToolError, match=advice):
        translate(query, COLUMNS, NOW)


def test_the_tables_of_joins_and_lets_are_those_that_are_read() -> None:
    query = "let x = Other | where Owner == 'a'; Events | join x on DeviceName"
    assert translate(query, COLUMNS, NOW).tables == {"Events", "Other"}


COVERAGE = Path(__file__).parents[2] / "benchmarks" / "kql_coverage.py"


def test_the_share_of_a_folder_that_translates_is_told_with_what_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.kql").write_text("T | where A == 1")
    (tmp_path / "b.md").write_text("words\n```kql\nT | evaluate narrow()\n```\n")
    (tmp_path / "c.yaml").write_text("rules:\n- query: T | count\n")
    done = subprocess.run(
        [sys.executable, COVERAGE, tmp_path], capture_output=True, text=True, check=True
    )
    assert "2 of 3 translate (66.7%), 0 defects" in done.stdout
    assert "EvaluateOperator" in done.stdout
    assert "b.md#0" in done.stdout
