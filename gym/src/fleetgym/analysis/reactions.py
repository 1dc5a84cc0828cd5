"""What each framework made of each kind of fault."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from fleetgym.analysis.statistics import Estimate, wilson
from fleetgym.contracts.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.record import FaultRecord, RunRecord

__all__ = ["ReactionRow", "reaction_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionRow:
    """One framework and one kind of fault under one condition; means are over its incidents.

    An incident is one fault, or several of one kind in a row.
    """

    name: str
    """Of the framework's row in the comparison."""

    fault: str
    """What the row is about: the condition's own name where this is the only kind it has."""

    condition: str
    plane: str
    """``model`` or ``tool``."""

    kind: str
    incidents: int
    injected: float
    """Faults an incident."""

    attempts: float
    """Equal requests, or calls, in a row, the disturbed ones among them."""

    waited_s: float | None
    """From the fault to the next attempt, where there was one; None where there never was."""

    reactions: Mapping[str, int]
    """Incidents by what the framework did, the most frequent first."""

    recovered: Estimate
    """Share of incidents, with Wilson's interval."""

    success: Estimate
    """Share of the runs that met it, with Wilson's interval."""


def reaction_rows(groups: Mapping[str, Sequence[RunRecord]]) -> tuple[ReactionRow, ...]:
    """Return a row for each condition, kind of fault and framework, in this order."""
    met: dict[tuple[str, str, str, str], list[tuple[RunRecord, FaultRecord]]] = {}
    for name, members in groups.items():
        for run in members:
            for fault in run.faults if run.outcome is not Outcome.VOID else ():
                place = (run.key.condition, fault.plane, fault.kind, name)
                met.setdefault(place, []).append((run, fault))
    kinds = Counter(condition for condition, _, _ in {place[:3] for place in met})
    return tuple(_row(place, met[place], kinds[place[0]]) for place in sorted(met))


def _row(
    place: tuple[str, str, str, str], met: Sequence[tuple[RunRecord, FaultRecord]], kinds: int
) -> ReactionRow:
    condition, plane, kind, name = place
    faults = [fault for _, fault in met]
    runs = {run.run_id: run for run, _ in met}.values()
    waits = [fault.waited_s for fault in faults if fault.attempts > 1]
    done = Counter(fault.reaction.value for fault in faults)
    family, _, own = condition.partition("/")
    alone = family == "faults" and kinds == 1
    return ReactionRow(
        name=name,
        fault=own if alone else f"{own or condition}: {plane} {kind}",
        condition=condition,
        plane=plane,
        kind=kind,
        incidents=len(faults),
        injected=fmean(fault.injected for fault in faults),
        attempts=fmean(fault.attempts for fault in faults),
        waited_s=fmean(waits) if waits else None,
        reactions=dict(done.most_common()),
        recovered=wilson(sum(fault.recovered for fault in faults), len(faults)),
        success=wilson(sum(run.outcome is Outcome.SUCCESS for run in runs), len(runs)),
    )
