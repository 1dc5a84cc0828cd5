"""Measures that graders share; in [0, 1] where nothing else is said."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

__all__ = ["f1", "jaccard", "kendall_tau", "technique_jaccard"]

_FAMILY_CREDIT = 0.5


def jaccard(named: AbstractSet[str], expected: AbstractSet[str]) -> float:
    """Return the size of the intersection over that of the union; 1 if both are empty."""
    union = len(named | expected)
    return len(named & expected) / union if union else 1.0


def technique_jaccard(named: AbstractSet[str], expected: AbstractSet[str]) -> float:
    """Return Jaccard over ATT&CK ids, where a parent and its sub-technique are half a match.

    Ids are paired one to one, equal ones first; a technique that is left over may then be paired
    with one sub-technique of its own. With ``e`` equal pairs, ``f`` family pairs, and ``n`` and
    ``m`` ids on the two sides:

        (e + 0.5 f) / (n + m - e - f)

    So T1053 for T1053.003 gives 0.5, and naming both instead of the right one costs as much as
    naming any wrong one.
    """
    equal = len(named & expected)
    left, right = named - expected, expected - named
    family = len(_parents_of(left) & right) + len(_parents_of(right) & left)
    union = len(named) + len(expected) - equal - family
    return (equal + _FAMILY_CREDIT * family) / union if union else 1.0


def _parents_of(ids: AbstractSet[str]) -> set[str]:
    return {name.partition(".")[0] for name in ids if "." in name}


def f1(*, hits: float, predicted: int, expected: int) -> float:
    """Return F1 from counts: 2 hits / (predicted + expected).

    As scikit-learn's ``f1_score`` has it, except that predicting nothing where there is nothing to
    find scores 1 (scikit-learn: 0): on a benign log, silence is the right answer.
    """
    total = predicted + expected
    return 2 * hits / total if total else 1.0


def kendall_tau(ranks: Sequence[int]) -> float:
    """Return Kendall's tau-a of ``ranks`` with ascending order, in [-1, 1]; all are different.

    One rank, or none, is in order.
    """
    pairs = list(combinations(ranks, 2))
    if not pairs:
        return 1.0
    return sum(1 if first < second else -1 for first, second in pairs) / len(pairs)
