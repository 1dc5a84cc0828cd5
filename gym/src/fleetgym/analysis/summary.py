"""Frameworks side by side: success, score, effort and how runs ended."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from fleetgym.analysis.conditions import ConditionRow, condition_rows
from fleetgym.analysis.coordination import TeamRow, team_rows
from fleetgym.analysis.reactions import ReactionRow, reaction_rows
from fleetgym.analysis.statistics import Estimate, resamples, stratified_mean, wilson
from fleetgym.contracts.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fleetgym.contracts.record import RunKey, RunRecord

__all__ = [
    "REFERENCE",
    "Comparison",
    "Row",
    "banner",
    "group_of",
    "grouped",
    "score_of",
    "summarize",
]

REFERENCE = "reference"
"""The pseudo-framework of the expert's own runs; a ceiling, never a row."""


_NAMED = 6
"""Values of a factor that a note names one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One framework version in one topology. Means are over runs that were not void."""

    name: str
    """``framework@version/topology``."""

    runs: int
    """Not void; at least one."""

    voids: int
    success: Estimate
    """Share of runs, with Wilson's interval."""

    score: Estimate
    """Mean final score, with a bootstrap interval stratified by scenario."""

    reward: float
    """Mean episode return."""

    steps: float
    tool_errors: float
    model_calls: float
    input_tokens: float
    output_tokens: float
    wall_s: float
    cpu_s: float
    peak_memory_bytes: int
    """The largest of any run."""

    outcomes: dict[str, int]
    """Counts by outcome, void ones included; only outcomes that occurred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that `fleetgym compare` shows."""

    banner: str
    """Which model answered; says so when it was a reference policy."""

    suites: tuple[str, ...]
    runs: int
    """Records altogether: those of the rows, void ones and the expert's."""

    rows: tuple[Row, ...]
    """By mean score, best first."""

    voids: tuple[tuple[str, int], ...]
    """Frameworks of which every run was void, with their number."""

    ceiling: float | None
    """The expert's mean score; None without runs of the expert."""

    conditions: tuple[ConditionRow, ...]
    """By condition and framework; empty when there is but one condition."""

    reactions: tuple[ReactionRow, ...]
    """By condition, kind of fault and framework; empty where nothing went wrong on purpose."""

    teams: tuple[TeamRow, ...]
    """How agents worked together, by row name; empty without runs of teams."""

    notes: tuple[str, ...]
    """What a reader has to know before trusting a difference."""

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return asdict(self)


def summarize(records: Sequence[RunRecord]) -> Comparison:
    """Return the comparison of the frameworks in ``records``.

    Args:
        records: At least one.
    """
    groups = grouped(records)
    rows = [_row(name, members) for name, members in groups.items() if _scored(members)]
    expert = [score_of(r) for r in records if r.key.framework == REFERENCE and not _is_void(r)]
    return Comparison(
        banner=banner(records),
        suites=tuple(sorted({record.suite for record in records if record.suite})),
        runs=len(records),
        rows=tuple(sorted(rows, key=lambda row: (-row.score.value, row.name))),
        voids=tuple((name, len(m)) for name, m in groups.items() if not _scored(m)),
        ceiling=fmean(expert) if expert else None,
        conditions=condition_rows(groups),
        reactions=reaction_rows(groups),
        teams=team_rows(groups),
        notes=tuple(_notes(groups)),
    )


def banner(records: Iterable[RunRecord]) -> str:
    """Return the line that says which model answered; it opens every output."""
    models = sorted({record.key.model for record in records})
    policies = [model for model in models if model.startswith("policy/")]
    line = f"model{'s' if len(models) > 1 else ''}: {', '.join(models)}"
    if not policies:
        return line
    which = "reference policy" if policies == models else f"{', '.join(policies)}: reference policy"
    return f"{line} ({which} of known skill, no language model)"


def group_of(key: RunKey) -> str:
    """Return the name of the row that a run belongs to."""
    return f"{key.framework}@{key.framework_version}/{key.topology}"


def grouped(records: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
    """Return runs by row name, in the order of names; the expert's are left out.

    The runs of each row are in the order of their instances, so that rows with equal scores get
    equal intervals, whenever each run was finished.
    """
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        if record.key.framework != REFERENCE:
            groups.setdefault(group_of(record.key), []).append(record)
    return {name: sorted(groups[name], key=lambda run: _cell(run.key)) for name in sorted(groups)}


def score_of(record: RunRecord) -> float:
    """Return the final score; 0 for a run that was graded nothing."""
    return record.score.value if record.score else 0.0


def _is_void(record: RunRecord) -> bool:
    return record.outcome is Outcome.VOID


def _scored(members: Iterable[RunRecord]) -> list[RunRecord]:
    return [record for record in members if not _is_void(record)]


def _row(name: str, members: Sequence[RunRecord]) -> Row:
    runs = _scored(members)
    successes = sum(record.outcome is Outcome.SUCCESS for record in runs)
    weights = resamples([record.key.scenario for record in runs])
    mean, low, high = stratified_mean(np.array([score_of(record) for record in runs]), weights)

    def average(of: Callable[[RunRecord], float]) -> float:
        return fmean(map(of, runs))

    return Row(
        name=name,
        runs=len(runs),
        voids=len(members) - len(runs),
        success=wilson(successes, len(runs)),
        score=Estimate(value=float(mean), low=float(low), high=float(high)),
        reward=average(lambda run: sum(step.reward for step in run.steps)),
        steps=average(lambda run: run.usage.steps),
        tool_errors=average(lambda run: run.usage.tool_errors),
        model_calls=average(lambda run: run.usage.model_calls),
        input_tokens=average(lambda run: run.usage.input_tokens),
        output_tokens=average(lambda run: run.usage.output_tokens),
        wall_s=average(lambda run: run.usage.wall_s),
        cpu_s=average(lambda run: run.usage.cpu_s),
        peak_memory_bytes=max(run.usage.peak_memory_bytes for run in runs),
        outcomes=_outcomes(members),
    )


def _outcomes(members: Iterable[RunRecord]) -> dict[str, int]:
    counts = Counter(record.outcome for record in members)
    return {outcome.value: counts[outcome] for outcome in Outcome if counts[outcome]}


def _notes(groups: dict[str, list[RunRecord]]) -> Iterable[str]:
    met = {name: {_cell(run.key) for run in _scored(runs)} for name, runs in groups.items()}
    everything = set[str]().union(*met.values())
    for name, runs in groups.items():
        voids = _counted(sum(map(_is_void, runs)), "void run")
        missing = len(everything - met[name])
        if missing:
            yield (
                f"{name} lacks {missing} of {len(everything)} instances ({voids}); the means of "
                "its row are over other instances than those of the others."
            )
        elif len(_scored(runs)) < len(runs):
            yield f"{name} has {voids}, in no mean."
    yield from _mixtures([run.key for runs in groups.values() for run in runs])


def _mixtures(keys: Sequence[RunKey]) -> Iterable[str]:
    for plural, values in (
        ("models", {key.model for key in keys}),
        ("conditions", {key.condition for key in keys}),
        ("graders", {key.grader for key in keys}),
    ):
        if len(values) > 1:
            which = ", ".join(sorted(values)) if len(values) <= _NAMED else f"{len(values)} of them"
            yield f"Means are over several {plural}: {which}."


def _cell(key: RunKey) -> str:
    """Return what is equal for runs that met the same instance under the same circumstances."""
    condition = f"{key.condition}@{key.condition_version}"
    return f"{key.scenario}@{key.scenario_version} {condition} {key.model} {key.seed}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
