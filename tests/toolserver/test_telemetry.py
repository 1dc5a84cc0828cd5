"""The telemetry toolset, whole: specs, processes, database."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from fleetgym.contracts.errors import SandboxError, ToolError
from fleetgym.contracts.sandbox import Limits
from fleetgym.toolserver import telemetry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym.contracts.sandbox import ToolFunction


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    with duckdb.connect(str(folder / telemetry.DATABASE)) as connection:
        connection.execute(
            "CREATE TABLE AKSAudit AS SELECT TIMESTAMP '2026-01-01 00:00:00.25' + to_hours(i) "
            "AS TimeGenerated, 'verb' || i % 3 AS Verb, json_object('username', 'u' || i) AS "
            '"User", i AS Level, i % 2 = 0 AS Even, i / 4 AS Share FROM range(30) t(i)'
        )
        connection.execute("COMMENT ON TABLE AKSAudit IS 'Requests to the API server.'")
        connection.execute(
            "CREATE TABLE AuditLogs AS SELECT TIMESTAMP '2026-01-01' AS TimeGenerated, "
            "repeat('x', 20000) AS Blob FROM range(8)"
        )
    return folder


@pytest.fixture(scope="module")
def tools(data: Path) -> Mapping[str, ToolFunction]:
    return telemetry.open_toolset({"data": data}, Limits(call_seconds=30))


def _table(answer: str) -> dict[str, Any]:
    return json.loads(answer)["Tables"][0]


def test_every_spec_has_a_function_and_hidden_ones_are_specified(
    tools: Mapping[str, ToolFunction],
) -> None:
    names = {spec.name for spec in telemetry.SPECS}
    assert set(tools) == names
    assert names > telemetry.HIDDEN


def test_the_specs_cost_a_runner_no_engine() -> None:
    code = (
        "import sys, fleetgym.toolserver.telemetry\n"
        "print(sorted({'duckdb', 'duckdb_kql', 'sqlglot', 'sigma', 'yaml'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_warming_needs_no_database() -> None:
    telemetry.warm()


def test_without_a_database_the_toolset_does_not_open(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"holds no telemetry\.duckdb"):
        telemetry.open_toolset({"data": tmp_path}, Limits())


def test_tables_are_listed_as_kusto_lists_them(tools: Mapping[str, ToolFunction]) -> None:
    table = _table(tools["list_kusto_tables"]())
    assert [c["ColumnName"] for c in table["Columns"]] == [
        "TableName",
        "DatabaseName",
        "Folder",
        "DocString",
    ]
    assert table["Rows"] == [
        ["AKSAudit", "NetDefaultDB", "", "Requests to the API server."],
        ["AuditLogs", "NetDefaultDB", "", ""],
    ]


def test_a_schema_names_the_types_of_kusto_and_of_net(tools: Mapping[str, ToolFunction]) -> None:
    assert _table(tools["get_table_schema"](table_name="AKSAudit"))["Rows"] == [
        ["TimeGenerated", 0, "System.DateTime", "datetime"],
        ["Verb", 1, "System.String", "string"],
        ["User", 2, "System.Object", "dynamic"],
        ["Level", 3, "System.Int64", "long"],
        ["Even", 4, "System.SByte", "bool"],
        ["Share", 5, "System.Double", "real"],
    ]


def test_a_page_is_never_mistaken_for_the_whole(tools: Mapping[str, ToolFunction]) -> None:
    answer = json.loads(tools["execute_kql_query"](query="AKSAudit", limit=1000))
    assert len(answer["Tables"][0]["Rows"]) == 10
    assert answer["Truncated"] == {"returned": 10, "total": 30}


def test_a_whole_result_says_nothing_of_truncation(tools: Mapping[str, ToolFunction]) -> None:
    assert "Truncated" not in json.loads(tools["execute_kql_query"](query="AKSAudit | take 10"))


def test_rows_that_do_not_fit_the_output_limit_are_left_out_and_counted(
    tools: Mapping[str, ToolFunction],
) -> None:
    answer = tools["execute_sql_query"](query="FROM AuditLogs")
    assert len(answer.encode()) <= Limits().output_bytes
    assert json.loads(answer)["Truncated"] == {"returned": 2, "total": 8}


def test_a_row_that_does_not_fit_alone_is_refused(tools: Mapping[str, ToolFunction]) -> None:
    with pytest.raises(ToolError, match="Project the columns that matter"):
        tools["execute_sql_query"](query="SELECT repeat(Blob, 5) FROM AuditLogs")


def test_kql_and_sql_see_the_same_rows(tools: Mapping[str, ToolFunction]) -> None:
    kql = tools["execute_kql_query"](query="AKSAudit | where Verb == 'verb1' | take 3")
    sql = tools["execute_sql_query"](query="FROM AKSAudit WHERE Verb = 'verb1' LIMIT 3")
    assert kql == sql
    assert _table(kql)["Rows"][0] == [
        "2026-01-01T01:00:00.250000Z",
        "verb1",
        {"username": "u1"},
        1,
        False,
        0.25,
    ]


def test_values_are_printed_as_kusto_prints_them(tools: Mapping[str, ToolFunction]) -> None:
    query = (
        "print a = datetime(2026-01-02), b = 1d + 2h, c = -90s, d = dynamic({'x': [1, null]}), "
        "e = guid(74be27de-1e4e-49d9-b579-fe0b331d3642), f = todouble('nan'), g = ''"
    )
    assert _table(tools["execute_kql_query"](query=query))["Rows"] == [
        [
            "2026-01-02T00:00:00Z",
            "1.02:00:00",
            "-00:01:30",
            {"x": [1, None]},
            "74be27de-1e4e-49d9-b579-fe0b331d3642",
            "NaN",
            "",
        ]
    ]


def test_a_number_beyond_a_double_is_no_broken_json(tools: Mapping[str, ToolFunction]) -> None:
    answer = tools["execute_kql_query"](query="""print x = parse_json('{"y": 1e999}')""")
    assert _table(answer)["Rows"] == [[{"y": "Infinity"}]]


def test_the_same_call_gives_the_same_bytes_in_another_episode(
    tools: Mapping[str, ToolFunction], data: Path
) -> None:
    query = "AKSAudit | where TimeGenerated > ago(12h) | summarize n = count() by Verb"
    other = telemetry.open_toolset({"data": data}, Limits())
    assert other["execute_kql_query"](query=query) == tools["execute_kql_query"](query=query)


@pytest.mark.parametrize(
    ("tool", "arguments", "advice"),
    [
        ("get_table_schema", {"table_name": "AKSAudits"}, "Did you mean 'AKSAudit'"),
        ("get_table_schema", {"table_name": "AKSAudit | take 1"}, "There is no table"),
        ("sample_table_data", {"table_name": ""}, "non-empty string"),
        ("sample_table_data", {"table_name": "AKSAudit", "rows": 0}, "whole number from 1"),
        ("execute_kql_query", {"query": "AKSAudit", "limit": -1}, "whole number from 1"),
        ("execute_kql_query", {"query": "AKSAudit", "limit": True}, "whole number from 1"),
        ("execute_kql_query", {"query": 5}, "non-empty string"),
        ("execute_kql_query", {"query": "AKSAudit | where Verbs == 1"}, "Did you mean 'Verb'"),
        ("execute_sql_query", {"query": "SELECT 1; SELECT 2"}, "Exactly one"),
        ("execute_sql_query", {"query": "SELECT '" + "x" * 20_000 + "'"}, "longer than 20000"),
        ("execute_sql_query", {"query": "SELECT repeat('a', 2000000000)"}, "too large to run"),
    ],
)
def test_a_wrong_call_is_answered_with_what_to_try(
    tool: str, arguments: dict[str, Any], advice: str, tools: Mapping[str, ToolFunction]
) -> None:
    with pytest.raises(ToolError, match=advice):
        tools[tool](**arguments)


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    [
        pytest.param("SELECT count(*) FROM range(1000000000000)", id="endless"),
        pytest.param("SELECT length(repeat('a', 1000000000))", id="deaf to interrupts"),
        pytest.param(
            "SELECT count(*) FROM AKSAudit a, AKSAudit b, AKSAudit c, AKSAudit d, AKSAudit e, "
            "AKSAudit f, AKSAudit g",
            id="cross join",
        ),
        pytest.param(
            "let a0 = 'aaaaaaaa'; "
            + "".join(f"let a{n + 1} = strcat(a{n}, a{n}, a{n}); " for n in range(20))
            + "print a20",
            id="translation that explodes",
        ),
        pytest.param("AKSAudit | where " + "(" * 3000 + "true" + ")" * 3000, id="deep nesting"),
    ],
)
def test_no_query_outlives_its_deadline_or_harms_the_next(query: str, data: Path) -> None:
    tools = telemetry.open_toolset({"data": data}, Limits(call_seconds=4))
    tool = "execute_sql_query" if query.startswith("SELECT") else "execute_kql_query"
    with pytest.raises(ToolError, match=r"stopped|too much memory|too large|grows|nested"):
        tools[tool](query=query)
    assert _table(tools["execute_kql_query"](query="print x = 1"))["Rows"] == [[1]]


def test_the_graders_query_returns_all_rows_and_where_they_are(
    tools: Mapping[str, ToolFunction],
) -> None:
    query = "AKSAudit | where Level in (7, 9) | project TimeGenerated, User, Note = 'x'"
    said = json.loads(tools["grade_kql"](query=query))
    assert said["matched"] == {"AKSAudit": [7, 9]}
    assert (said["ok"], said["row_count"], said["columns"]) == (
        True,
        2,
        ["TimeGenerated", "User", "Note"],
    )


def test_the_graders_query_is_not_cut_at_ten_rows(tools: Mapping[str, ToolFunction]) -> None:
    assert len(json.loads(tools["grade_kql"](query="AKSAudit"))["rows"]) == 30


@pytest.mark.parametrize(
    "query",
    ["AKSAudit | summarize n = count()", "print Verb = 'verb1'"],
    ids=["no column", "no table"],
)
def test_a_result_that_shares_nothing_with_a_table_matches_nothing(
    query: str, tools: Mapping[str, ToolFunction]
) -> None:
    matched = json.loads(tools["grade_kql"](query=query))["matched"]
    assert not any(matched.values())


def test_a_query_that_fails_is_graded_not_raised(tools: Mapping[str, ToolFunction]) -> None:
    said = json.loads(tools["grade_kql"](query="Nope | take 1"))
    assert (said["ok"], said["error"][:25]) == (False, "There is no table 'Nope'.")


def test_a_sigma_rule_is_graded_over_the_same_rows(tools: Mapping[str, ToolFunction]) -> None:
    rule = """
        title: Requests of one user
        tags: [attack.credential-access, attack.t1552.007]
        logsource: {product: kubernetes, service: audit}
        detection: {selection: {user.username: U7}, condition: selection}
    """
    assert json.loads(tools["grade_sigma"](rule=rule)) == {
        "parsed": True,
        "error": "",
        "issues": [],
        "tables": ["AKSAudit"],
        "techniques": ["T1552.007"],
        "matched": {"AKSAudit": [7]},
    }


def test_a_yaml_bomb_is_graded_not_raised(tools: Mapping[str, ToolFunction]) -> None:
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    rule = f"a0: &a0 [x]\n{levels}title: x\ndetection: *a11\n"
    assert json.loads(tools["grade_sigma"](rule=rule))["parsed"] is False
