"""What trajectories show to more than one grader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fleetgym.contracts.scoring import Trajectory

__all__ = ["facts_of", "share_of_tables_seen"]

_LOOKS = ("profile_table", "sample_rows")


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
