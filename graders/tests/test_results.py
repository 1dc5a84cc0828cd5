from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetgym_graders.results import canonical_value, kusto_rows, report_ids, rows_reproduced

COLUMNS = ["DeviceName", "ReportId", "Timestamp", "Fields"]
RESULT: list[list[Any]] = [
    ["web-1", 7, "2026-03-01T10:00:00Z", {"uid": 0, "tty": None}],
    ["web-1", 7, "2026-03-01T10:00:00Z", {"uid": 0, "tty": None}],
    ["db-2", 8, "2026-03-01T11:30:00.5Z", None],
]
ROWS = [dict(zip(COLUMNS, row, strict=True)) for row in RESULT]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(None, "  ", id="null and blank"),
        pytest.param(5, "5.0", id="number and its text"),
        pytest.param(12345678901234567890, "12345678901234567890", id="large number and its text"),
        pytest.param(True, "True", id="truth value and its text"),
        pytest.param(" web-1", "web-1 ", id="blanks around"),
        pytest.param("2026-03-01T10:00:00Z", "2026-03-01 10:00:00.0000000", id="times"),
        pytest.param("2026-03-01T12:00:00+02:00", "2026-03-01T10:00:00Z", id="time zones"),
        pytest.param({"b": 1, "a": [2]}, '{"a": [2], "b": 1}', id="object and its text"),
    ],
)
def test_values_that_differ_in_formatting_alone_are_equal(one: Any, other: Any) -> None:
    assert canonical_value(one) == canonical_value(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Web-1", "web-1", id="letter case"),
        pytest.param(12345678901234567890, 12345678901234567891, id="beyond floating point"),
        pytest.param("2026-03-01T10:00:00Z", "2026-03-01T10:00:01Z", id="a second later"),
        pytest.param(0, None, id="zero is not nothing"),
        pytest.param('{"a": 1}', '{"a": 2}', id="another object"),
    ],
)
def test_values_that_differ_otherwise_are_not(one: Any, other: Any) -> None:
    assert canonical_value(one) != canonical_value(other)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=9))
def test_any_json_value_equals_its_own_text(value: Any) -> None:
    if not isinstance(value, str):
        assert canonical_value(json.dumps(value)) == canonical_value(value) or value is None


@pytest.mark.parametrize(
    ("submitted", "reproduced"),
    [
        pytest.param(ROWS, 3, id="all"),
        pytest.param([ROWS[2], ROWS[0], ROWS[1]], 3, id="in another order"),
        pytest.param([{"devicename": "db-2", "reportid": "8"}], 1, id="some columns, other case"),
        pytest.param([ROWS[2], ROWS[2]], 1, id="each result row counts once"),
        pytest.param([{"DeviceName": "db-2", "Invented": "x"}], 0, id="an invented column"),
        pytest.param([{"Invented": "x"}], 0, id="only invented columns"),
        pytest.param([{"DeviceName": None}], 0, id="an empty row"),
        pytest.param([{"DeviceName": "db-2"}, ROWS[0]], 1, id="a column that one row leaves out"),
        pytest.param(["db-2", 7, None, True], 0, id="no objects"),
    ],
)
def test_submitted_rows_count_when_the_query_really_returns_them(
    submitted: list[object], reproduced: int
) -> None:
    assert rows_reproduced(submitted, COLUMNS, RESULT) == reproduced


ANY_ROW = st.dictionaries(
    st.sampled_from([*COLUMNS, "Invented"]),
    st.sampled_from(["web-1", "db-2", 7, 8, None, "2026-03-01T10:00:00Z"]),
)


@given(st.lists(ANY_ROW, max_size=4), st.randoms())
def test_the_order_of_submitted_rows_is_irrelevant(rows: list[Any], random: Any) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert rows_reproduced(shuffled, COLUMNS, RESULT) == rows_reproduced(rows, COLUMNS, RESULT)


@given(st.lists(ANY_ROW, max_size=4), ANY_ROW)
def test_one_more_row_reproduces_at_most_one_more(rows: list[Any], row: dict[str, Any]) -> None:
    before = rows_reproduced(rows, COLUMNS, RESULT)
    assert rows_reproduced([*rows, row], COLUMNS, RESULT) <= before + 1


def test_report_ids_are_read_up_to_where_a_result_was_cut() -> None:
    whole = json.dumps([{"id": "a", "body": "[x] {y}"}, {"id": "b", "body": "long"}], indent=2)
    assert report_ids(whole) == {"a", "b"}
    assert report_ids(whole[:-20] + "\n… cut") == {"a"}


@pytest.mark.parametrize("content", ["", "Error: no", "[]", "{}", '{"Tables": []}', "[" * 5000])
def test_what_is_no_response_has_no_rows_and_no_reports(content: str) -> None:
    assert (kusto_rows(content), report_ids(content)) == (0, frozenset())


def test_kusto_rows_counts_the_rows_of_the_first_table() -> None:
    assert kusto_rows(json.dumps({"Tables": [{"Rows": [[1], [2]]}, {"Rows": [[3]]}]})) == 2
