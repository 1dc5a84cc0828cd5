"""Comparing the rows of two results, numbers by nearness."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from fleetgym_graders.results import canonical_value

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["same_rows"]

_RELATIVE = 1e-3
_ABSOLUTE = 6e-3
"""Half a cent, and what binary fractions add."""


def same_rows(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    wanted: Sequence[str],
    expected: Sequence[Sequence[Any]],
) -> int:
    """Return how many rows of a result are expected ones, each counted once, in any order.

    Columns are found by name, letter case ignored; others do not matter. Where a whole number is
    expected (a count, an identifier), it has to be that; other numbers are the same within 0.1 % or
    half a hundredth, everything else as text.

    Args:
        columns: Of the result.
        rows: Its rows.
        wanted: The columns that count.
        expected: The rows that count, values in the order of ``wanted``.
    """
    places = {name.casefold(): index for index, name in enumerate(columns)}
    if not all(name.casefold() in places for name in wanted):
        return 0
    left: defaultdict[tuple[str, ...], list[list[int | float]]] = defaultdict(list)
    for row in expected:
        left[_words(row)].append(_numbers(row))
    hits = 0
    for row in rows:
        values = [row[places[name.casefold()]] for name in wanted]
        candidates = left[_words(values)]
        found = next((one for one in candidates if _near(one, _numbers(values))), None)
        if found is not None:
            candidates.remove(found)
            hits += 1
    return hits


def _words(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple("#" if _is_number(value) else canonical_value(value) for value in values)


def _numbers(values: Sequence[Any]) -> list[int | float]:
    return [value for value in values if _is_number(value)]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _near(wanted: Sequence[float], given: Sequence[float]) -> bool:
    return all(
        a == b if isinstance(a, int) else abs(a - b) <= max(_RELATIVE * abs(a), _ABSOLUTE)
        for a, b in zip(wanted, given, strict=True)
    )
