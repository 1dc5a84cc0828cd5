"""Rows that are the same, and rows that are not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetgym_graders.tables import same_rows

WANTED = ("name", "eur")
EXPECTED = [["a", 10.0], ["b", 2000.0], ["b", 0.0], [None, 5]]


@pytest.mark.parametrize(
    ("columns", "rows", "hits"),
    [
        (["name", "eur"], [["a", 10.0], ["b", 2000.0], ["b", 0.0], [None, 5]], 4),
        (["EUR", "more", "Name"], [[10, 1, "a"], [5.0, 1, None]], 2),
        (["name", "eur"], [["a", 10.005], ["b", 2001.9], ["b", -0.005]], 3),
        (["name", "eur"], [["a", 10.02], ["b", 2003.0], ["b", 0.01]], 0),
        (["name", "eur"], [["a", 10.0], ["a", 10.0]], 1),
        (["name", "eur"], [["a", "10.0"], ["a", None], [" a ", 10]], 1),
        (["name", "eur"], [[None, 5.004], [None, 5.0]], 1),
        (["name"], [["a"], ["b"]], 0),
        (["name", "eur"], [], 0),
    ],
)
def test_numbers_are_compared_by_nearness_and_each_row_counts_once(
    columns: list[str], rows: list[list[Any]], hits: int
) -> None:
    assert same_rows(columns, rows, WANTED, EXPECTED) == hits


_CELLS = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=2))


@given(rows=st.lists(st.tuples(_CELLS, _CELLS), max_size=8), more=st.lists(_CELLS, max_size=2))
def test_rows_are_the_same_as_themselves_in_any_order(rows: Any, more: Any) -> None:
    del more
    assert same_rows(WANTED, rows[::-1], WANTED, rows) == len(rows)
    assert same_rows(WANTED, rows, WANTED, rows[1:]) == max(0, len(rows) - 1)


def test_identifiers_next_to_each_other_are_not_the_same() -> None:
    wrong = [[4083], [4084], [4100]]
    assert same_rows(["id"], [[number + 1] for [number] in wrong], ["id"], wrong) == 1
