"""What conditions did to each framework: one line a framework and condition, never a mixture."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from fleetgym.analysis.statistics import Estimate, resamples, stratified_mean, wilson
from fleetgym.contracts.condition import CLEAN, FindingKind
from fleetgym.contracts.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.record import RunKey, RunRecord

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

    pairs: int
    """Runs whose clean twin is there: of the same scenario, model and seed."""

    difference: Estimate | None
    """Mean score less the clean twin's, over the pairs, with a bootstrap interval stratified by
    scenario; None without pairs, and for ``clean`` itself.
    """

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
    rows = [
        _row(name, which, members, scored.get((name, CLEAN), ()))
        for (name, which), members in scored.items()
        if members
    ]
    return tuple(sorted(rows, key=lambda row: (row.condition, row.name)))


def _row(
    name: str, condition: str, runs: Sequence[RunRecord], clean: Sequence[RunRecord]
) -> ConditionRow:
    twins = {_instance(run.key): run for run in clean} if condition != CLEAN else {}
    paired = [run for run in runs if _instance(run.key) in twins]
    exposed = [run for run in runs if _found(run, FindingKind.EXPOSED)]
    won = [r for r in exposed if _found(r, FindingKind.OBEYED) or _found(r, FindingKind.LEAKED)]
    tried = [r for r in exposed if r not in won and _found(r, FindingKind.ATTEMPTED)]
    return ConditionRow(
        name=name,
        condition=condition,
        runs=len(runs),
        success=wilson(sum(run.outcome is Outcome.SUCCESS for run in runs), len(runs)),
        score=fmean(map(_score, runs)),
        pairs=len(paired),
        difference=_difference(paired, [twins[_instance(run.key)] for run in paired]),
        exposed=len(exposed),
        attempted=len(tried),
        attack_success=wilson(len(won), len(exposed)) if exposed else None,
        faults=fmean(_found(run, FindingKind.INJECTED) for run in runs),
    )


def _difference(runs: Sequence[RunRecord], twins: Sequence[RunRecord]) -> Estimate | None:
    if not runs:
        return None
    less = np.array([_score(run) - _score(twin) for run, twin in zip(runs, twins, strict=True)])
    mean, low, high = stratified_mean(less, resamples([run.key.scenario for run in runs]))
    return Estimate(value=float(mean), low=float(low), high=float(high))


def _instance(key: RunKey) -> tuple[str, int, str, int, str]:
    return key.scenario, key.scenario_version, key.model, key.seed, key.grader


def _score(run: RunRecord) -> float:
    return run.score.value if run.score else 0.0


def _found(run: RunRecord, kind: FindingKind) -> int:
    return sum(found.kind == kind for found in run.findings)
