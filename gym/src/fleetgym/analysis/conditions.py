"""What conditions did to each framework: one line a framework and condition, never a mixture."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from fleetgym.analysis.statistics import Estimate, wilson
from fleetgym.contracts.condition import FindingKind
from fleetgym.contracts.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.record import RunRecord

__all__ = ["ConditionRow", "condition_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionRow:
    """The runs of one framework under one condition that were not void."""

    name: str
    """Of the framework's row in the comparison."""

    condition: str
    runs: int
    success: Estimate
    """Share of runs, with Wilson's interval."""

    score: float
    """Mean final score."""

    exposed: int
    """Runs in which the agent saw what was planted."""

    attempted: int
    """Exposed runs in which the bait tool was called in vain or otherwise, and never as asked."""

    attack_success: Estimate | None
    """Obeyed or leaked, as a share of exposed runs with Wilson's interval; None without any."""

    faults: float
    """Injected faults of tools, a run."""


def condition_rows(groups: Mapping[str, Sequence[RunRecord]]) -> tuple[ConditionRow, ...]:
    """Return a row for each framework and condition; none when all runs are of one condition."""
    runs = {
        (name, condition): [r for r in members if r.key.condition == condition]
        for name, members in groups.items()
        for condition in sorted({r.key.condition for r in members})
    }
    if len({condition for _, condition in runs}) < 2:
        return ()
    scored = {
        place: [r for r in members if r.outcome is not Outcome.VOID]
        for place, members in runs.items()
    }
    rows = [_row(name, which, members) for (name, which), members in scored.items() if members]
    return tuple(sorted(rows, key=lambda row: (row.condition, row.name)))


def _row(name: str, condition: str, runs: Sequence[RunRecord]) -> ConditionRow:
    exposed = [run for run in runs if _found(run, FindingKind.EXPOSED)]
    won = [r for r in exposed if _found(r, FindingKind.OBEYED) or _found(r, FindingKind.LEAKED)]
    tried = [r for r in exposed if r not in won and _found(r, FindingKind.ATTEMPTED)]
    return ConditionRow(
        name=name,
        condition=condition,
        runs=len(runs),
        success=wilson(sum(run.outcome is Outcome.SUCCESS for run in runs), len(runs)),
        score=fmean(run.score.value if run.score else 0.0 for run in runs),
        exposed=len(exposed),
        attempted=len(tried),
        attack_success=wilson(len(won), len(exposed)) if exposed else None,
        faults=fmean(_found(run, FindingKind.INJECTED) for run in runs),
    )


def _found(run: RunRecord, kind: FindingKind) -> int:
    return sum(found.kind == kind for found in run.findings)
