"""Reading rollout plans, whatever they are."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetgym.contracts.errors import ToolError
from fleetgym_graders.rollout_plan import read_rollout, stages_of

STAGE = {
    "service": "shop/cart",
    "at": "2026-03-02T09:00+02:00",
    "percent": 10,
    "soak_minutes": 30,
    "gates": [{"indicator": "error_ratio", "at_most": 0.01}],
}
PLAN = {
    "manifests": "kind: Deployment",
    "stages": [{**STAGE, "at": "2026-03-02T12:00Z", "percent": 100}, STAGE],
    "rollback": [{"service": "shop/cart", "image": "reg.example/cart:1"}],
}


def test_stages_of_a_service_come_in_the_order_of_their_time_in_utc() -> None:
    plan = read_rollout(json.dumps(PLAN))
    stages = stages_of(plan, "shop/cart")
    assert [stage.percent for stage in stages] == [10, 100]
    assert stages[0].at == datetime(2026, 3, 2, 7, tzinfo=UTC)
    assert stages[0].end == datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
    assert stages[0].gates == [("error_ratio", 0.01)]
    assert stages_of(plan, "shop/basket") == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"manifests": ""}, "['manifests']"),
        ({"stages": []}, "['stages']"),
        ({"stages": [{**STAGE, "percent": 101}]}, "['stages'][0]['percent']"),
        ({"stages": [{**STAGE, "at": "Monday"}]}, "['stages'][0]['at']"),
        ({"stages": [{**STAGE, "at": "2026-13-02T09:00Z"}]}, "is no time"),
        ({"stages": [{**STAGE, "at": "0001-01-01T00:00+14:00"}]}, "is no time"),
        ({"stages": [{**STAGE, "soak_minutes": 10**9}]}, "soak_minutes"),
        ({"stages": [{**STAGE, "gates": [{"indicator": "cpu", "at_most": 1}]}]}, "indicator"),
        ({"rollback": [{"service": "cart", "image": "x"}]}, "['rollback'][0]['service']"),
        ({"more": 1}, "more"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_place(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ToolError) as refused:
        read_rollout(json.dumps({**PLAN, **change}))
    assert told in str(refused.value)


@given(
    at=st.text(alphabet="0123456789-:TZ+", max_size=25),
    percent=st.integers() | st.floats(allow_nan=False) | st.none(),
    gates=st.lists(st.dictionaries(st.text(max_size=3), st.integers(), max_size=2), max_size=2),
)
def test_whatever_a_stage_is_it_is_read_or_refused(at: str, percent: Any, gates: Any) -> None:
    stage = {**STAGE, "at": at, "percent": percent, "gates": gates}
    try:
        plan = read_rollout(json.dumps({**PLAN, "stages": [stage]}))
    except ToolError:
        return
    assert stages_of(plan, "shop/cart")[0].end.year >= 2000
