"""What trajectories show to more than one grader."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypedDict, cast

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from fleetgym.contracts.scoring import Trajectory

__all__ = ["Result", "facts_of", "results_seen", "share_of_tables_seen"]

_LOOKS = ("profile_table", "sample_rows")

# Every step grades the whole trajectory again; a result is parsed once.
_CACHED_RESULTS = 256


class Result(TypedDict):
    """What a query on a warehouse returned."""

    columns: list[str]
    rows: list[list[Any]]
    """The first ones, if there are many."""

    total: int
    """How many rows there are."""


def facts_of(trajectory: Trajectory) -> Mapping[str, Any]:
    """Return what the submission showed; empty before it."""
    return trajectory[-1].facts if trajectory else {}


def share_of_tables_seen(tables: Collection[str], trajectory: Trajectory) -> float:
    """Return the share of a warehouse's tables that were profiled or sampled, in [0, 1]."""
    seen = {
        str(step.call.arguments.get("table"))
        for step in trajectory
        if step.call.name in _LOOKS and not step.result.is_error
    }
    return len(seen & {*tables}) / len(tables)


def results_seen(trajectory: Trajectory) -> Iterator[Result]:
    """Yield what each query on the warehouse showed that was executed so far."""
    for step in trajectory:
        if step.call.name == "run_sql" and not step.result.is_error:
            result = _parsed(step.result.content)
            if result:
                yield result


@lru_cache(maxsize=_CACHED_RESULTS)
def _parsed(content: str) -> Result | None:
    try:
        result = json.loads(content)
        if {"columns", "rows", "total"} <= result.keys():
            return cast("Result", result)
    except (ValueError, AttributeError, RecursionError):
        pass
    return None
