from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetgym_graders.measures import f1, jaccard, technique_jaccard

TECHNIQUES = st.frozensets(
    st.sampled_from(["T1053", "T1053.003", "T1053.006", "T1098", "T1098.001", "T1059"])
)


@pytest.mark.parametrize(
    ("named", "expected", "value"),
    [
        pytest.param({"T1053.003"}, {"T1053.003"}, 1.0, id="equal"),
        pytest.param({"T1053"}, {"T1053.003"}, 0.5, id="parent"),
        pytest.param({"T1053.003"}, {"T1053"}, 0.5, id="sub-technique"),
        pytest.param({"T1053.003"}, {"T1053.006"}, 0.0, id="sibling"),
        pytest.param({"T1053", "T1053.003"}, {"T1053.003"}, 0.5, id="both for one"),
        pytest.param({"T1053"}, {"T1053.003", "T1053.006"}, 0.25, id="one parent, two of its own"),
        pytest.param({"T1098", "T1059"}, {"T1053", "T1059"}, 1 / 3, id="one of two"),
        pytest.param(set[str](), {"T1059"}, 0.0, id="silence"),
    ],
)
def test_a_parent_is_half_a_match_for_its_sub_technique(
    named: set[str], expected: set[str], value: float
) -> None:
    assert technique_jaccard(named, expected) == pytest.approx(value)


@given(TECHNIQUES, TECHNIQUES)
def test_technique_jaccard_is_symmetric_and_one_only_for_equal_sets(
    left: frozenset[str], right: frozenset[str]
) -> None:
    value = technique_jaccard(left, right)
    assert value == technique_jaccard(right, left)
    assert (value == 1.0) == (left == right)


@given(TECHNIQUES, TECHNIQUES)
def test_family_credit_only_ever_adds_to_plain_jaccard(
    left: frozenset[str], right: frozenset[str]
) -> None:
    assert jaccard(left, right) <= technique_jaccard(left, right) <= 1.0


def test_predicting_nothing_where_there_is_nothing_scores_one() -> None:
    assert f1(hits=0, predicted=0, expected=0) == 1.0


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    precision, recall = 3 / 5, 3 / 4
    assert f1(hits=3, predicted=5, expected=4) == pytest.approx(
        2 * precision * recall / (precision + recall)
    )
