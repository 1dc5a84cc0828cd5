from __future__ import annotations

import pytest

from fleetgym.analysis.curves import EXPERT, reward_curves
from fleetgym.analysis.summary import summarize
from fleetgym.contracts.record import Outcome
from synthetic import key, record, suite


def test_a_curve_cumulates_and_is_held_at_its_last_value() -> None:
    records = [
        record(key(seed=0), rewards=(0.25, 0.75)),
        record(key(seed=1), rewards=(0, 0, 0, 0.5)),
    ]
    (curve,) = reward_curves(records)
    assert curve.mean == (0.0, 0.125, 0.5, 0.5, 0.75)


def test_a_reward_that_is_taken_back_lowers_the_curve() -> None:
    (curve,) = reward_curves([record(rewards=(0.5, -0.25))])
    assert curve.mean == (0.0, 0.5, 0.25)


def test_the_band_contains_the_mean() -> None:
    for curve in reward_curves(suite()):
        points = zip(curve.low, curve.mean, curve.high, strict=True)
        assert all(low <= mean <= high for low, mean, high in points)


def test_a_curve_ends_at_the_mean_reward_of_its_row() -> None:
    records = suite()
    ends = {curve.name: curve.mean[-1] for curve in reward_curves(records)}
    for row in summarize(records).rows:
        assert ends[row.name] == pytest.approx(row.reward, abs=1e-4)


def test_the_experts_curve_comes_last() -> None:
    records = [record(), record(key(framework="reference"))]
    assert [curve.name for curve in reward_curves(records)] == ["langgraph@1.2.22/single", EXPERT]


def test_curves_of_one_scenario_leave_out_the_others_and_void_runs() -> None:
    records = [
        record(key(scenario="cti/a", seed=0)),
        record(key(scenario="cti/a", seed=1), outcome=Outcome.VOID),
        record(key(scenario="cti/b")),
    ]
    assert [curve.runs for curve in reward_curves(records, "cti/a")] == [1]


def test_without_runs_there_are_no_curves() -> None:
    assert reward_curves([record(outcome=Outcome.VOID)]) == []
