"""What a suite's matrix comes to: exclusions, spread factors, pairs, sizes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from fleetgym.contracts.errors import FleetgymError, SpecError
from fleetgym.runner.design import Arm, Factors, cells, pairs
from fleetgym.runner.suite import Suite

FRAMEWORKS = ["a", "b", "c"]
FACTORS = Factors(
    arms=[Arm(name, "single") for name in FRAMEWORKS],
    scenarios=["x/one", "x/two", "y/one"],
    conditions=["clean", "vague"],
    models=["m", "n"],
    seeds=[0, 1, 2, 3],
)


def suite(**changes: Any) -> Suite:
    fields: dict[str, Any] = {
        "name": "s", "frameworks": FRAMEWORKS, "scenarios": ["*"], "conditions": ["*"],
        "models": ["m", "n"], "seeds": "0-3",
    }  # fmt: skip
    return Suite.model_validate({**fields, **changes})


def test_without_more_words_a_suite_is_the_product_of_its_factors() -> None:
    found = cells(suite(), FACTORS)
    assert len(found) == len(set(found)) == 3 * 3 * 2 * 2 * 4
    assert [cell.arm.framework for cell in found[:3]] == FRAMEWORKS
    assert {(pair.paired, pair.alone) for pair in pairs(found, FACTORS.arms)} == {(48, 0)}


def test_an_exclusion_takes_what_fits_all_that_it_names() -> None:
    said = [{"frameworks": ["a"], "scenarios": ["x/*"], "seeds": "0-1"}, {"models": ["n"]}]
    found = cells(suite(exclude=said), FACTORS)
    assert len(found) == 3 * 3 * 2 * 4 - 2 * 2 * 2
    assert not [c for c in found if c.block.model == "n"]
    assert {(c.block.scenario, c.block.seed) for c in found if c.arm.framework == "a"} == {
        ("x/one", 2), ("x/one", 3), ("x/two", 2), ("x/two", 3),
        ("y/one", 0), ("y/one", 1), ("y/one", 2), ("y/one", 3),
    }  # fmt: skip
    told = {
        (pair.one[0], pair.other[0]): (pair.paired, pair.alone)
        for pair in pairs(found, FACTORS.arms)
    }
    assert told == {("a", "b"): (16, 8), ("a", "c"): (16, 8), ("b", "c"): (24, 0)}


def test_a_spread_factor_is_met_in_turn_and_by_all_alike() -> None:
    found = cells(suite(spread=["conditions", "models"]), FACTORS)
    assert len(found) == 3 * 3 * 4
    assert {pair.alone for pair in pairs(found, FACTORS.arms)} == {0}
    blocks = {cell.block for cell in found}
    assert Counter(block.condition for block in blocks) == {"clean": 6, "vague": 6}
    for scenario in FACTORS.scenarios:
        met = Counter(b.condition for b in blocks if b.scenario == scenario)
        assert met == {"clean": 2, "vague": 2}
    assert len({(b.condition, b.model) for b in blocks}) == 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exclude": [{"frameworks": ["d"]}]}, "no entry of `frameworks` for `exclude` 'd'"),
        ({"exclude": [{"seeds": [9]}]}, "no seed of `exclude` '9'"),
        (
            {"exclude": [{"models": ["n"]}, {"models": ["n"], "seeds": [1]}]},
            None,
        ),
        (
            {"spread": ["conditions"],
             "exclude": [{"scenarios": ["x/one"], "seeds": [0], "conditions": ["vague"]}]},
            "entry 1 of `exclude` leaves out nothing",
        ),
        ({"exclude": [{"scenarios": ["*"]}]}, "leaves nothing to run"),
    ],
)  # fmt: skip
def test_an_exclusion_that_cannot_be_meant_is_told(changes: Any, said: str | None) -> None:
    if said is None:
        assert cells(suite(**changes), FACTORS)
        return
    with pytest.raises(FleetgymError, match=said):
        cells(suite(**changes), FACTORS)


def test_an_exclusion_of_nothing_named_is_no_suite() -> None:
    with pytest.raises(ValueError, match="would leave out every run"):
        suite(exclude=[{}])


def test_a_matrix_that_is_too_large_is_refused_before_it_is_built() -> None:
    huge = Factors(
        arms=FACTORS.arms,
        scenarios=FACTORS.scenarios,
        conditions=FACTORS.conditions,
        models=FACTORS.models,
        seeds=range(10**9),
    )
    with pytest.raises(SpecError, match=r"36,000,000,000 runs .*100,000 is the most"):
        cells(suite(), huge)
