from __future__ import annotations

import numpy as np
import pytest

from fleetgym.analysis.statistics import resamples, stratified_mean, wilson


# Values of SciPy's `binomtest(k, n).proportion_ci(method="wilson")`.
@pytest.mark.parametrize(
    ("successes", "runs", "low", "high"),
    [
        (0, 5, 0.0, 0.434482),
        (3, 5, 0.230724, 0.882379),
        (5, 5, 0.565518, 1.0),
        (1, 1, 0.206549, 1.0),
        (180, 200, 0.850594, 0.93433),
    ],
)
def test_wilson_agrees_with_scipy(successes: int, runs: int, low: float, high: float) -> None:
    ours = wilson(successes, runs)
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=1e-6)


def test_resamples_draw_within_strata() -> None:
    weights = resamples(["a", "a", "a", "b", "b"])
    assert weights[:, :3].sum(axis=1) == pytest.approx(np.full(len(weights), 0.6))


def test_strata_of_one_run_are_drawn_together() -> None:
    values = np.array([0.0, 1.0, 0.0, 1.0])
    mean, low, high = stratified_mean(values, resamples(["a", "b", "c", "d"]))
    assert low < mean < high


def test_the_same_runs_give_the_same_interval() -> None:
    values = np.array([0.1, 0.9, 0.4, 0.8])
    strata = ["a", "a", "b", "b"]
    first, second = (stratified_mean(values, resamples(strata)) for _ in range(2))
    assert first == second


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    strata = [f"s{n % 4}" for n in range(48)]
    weights = resamples(strata)
    centers = np.array([0.2, 0.4, 0.6, 0.8] * 12)
    covered = 0
    for _ in range(200):
        _, low, high = stratified_mean(centers + rng.normal(0, 0.2, 48), weights)
        covered += low <= 0.5 <= high
    assert 175 <= covered <= 199
