"""Times of stages, against the rules in plain words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetgym_env_rollout_planning.timetable import GRID, Timetable, Window, ladder

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


@given(
    first=st.integers(1, 60),
    growth=st.integers(2, 6),
    stages=st.integers(2, 6),
    replicas=st.integers(2, 60),
)
def test_a_ladder_keeps_to_its_tier_and_begins_with_one_pod(
    first: int, growth: int, stages: int, replicas: int
) -> None:
    found = ladder(first, growth, stages, replicas)
    assert found[0] <= first
    assert -(-replicas * found[0] // 100) == 1
    assert found[-1] == 100
    assert len(found) >= min(stages, len(ladder(first, 2, 1, replicas)))
    assert all(a < b <= growth * a for a, b in pairwise(found))


def window(ahead: int) -> Window:
    return Window(
        weekdays=range(5), first_hour=9, last_hour=15, end_hour=17, ahead=timedelta(minutes=ahead)
    )


@pytest.mark.parametrize(
    ("ahead", "hour", "admitted"),
    [
        (0, 9, True), (0, 8.5, False), (0, 15, True), (0, 15.5, False),
        (330, 3.5, True), (330, 9, True), (330, 10, False),
        (-480, 17, True), (-480, 16.5, False), (-480, 23, True),
    ],
)  # fmt: skip
def test_a_window_is_meant_by_its_owners_clock(ahead: int, hour: float, admitted: bool) -> None:
    start = MONDAY + hour * HOUR
    assert window(ahead).admits(start, start + HOUR) is admitted


def test_a_stage_that_would_not_be_over_in_time_is_put_off_to_the_next_day() -> None:
    table = Timetable(
        percents=[10, 30, 90, 100], soak=3 * HOUR, deadline=MONDAY + 72 * HOUR, window=window(0)
    )
    starts = table.starts(MONDAY, lambda _: True)
    stages = table.stages(next(starts))
    assert stages == [MONDAY + hours * HOUR for hours in (9, 12, 33, 36)]


def test_no_stage_touches_what_is_closed_and_all_end_by_the_deadline() -> None:
    closed = [(MONDAY + 2 * HOUR, MONDAY + 5 * HOUR)]
    table = Timetable(percents=[50, 100], soak=HOUR, deadline=MONDAY + 8 * HOUR, closed=closed)
    found = list(table.starts(MONDAY, lambda _: True))
    assert found[0] == MONDAY
    assert found[-1] == MONDAY + 6 * HOUR
    assert table.stages(MONDAY + 0.5 * HOUR) == [MONDAY + 0.5 * HOUR, MONDAY + 5 * HOUR]
    assert not any(MONDAY + HOUR < at < MONDAY + 5 * HOUR for at in found)
    assert all(b - a >= GRID for a, b in pairwise(found))
    assert table.stages(MONDAY + 6.5 * HOUR) is None


def test_the_grid_begins_after_and_not_before() -> None:
    table = Timetable(percents=[100], soak=HOUR, deadline=MONDAY + 4 * HOUR)
    assert next(table.starts(MONDAY + timedelta(minutes=1), lambda _: True)) == MONDAY + GRID
