"""What a framework did about faults: from requests and calls as they came, never its own word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fleetgym.contracts.faults import ModelFaultKind, ToolFaultKind
from fleetgym.contracts.json import canonical_json
from fleetgym.contracts.record import FaultRecord, Reaction
from fleetgym.contracts.tools import SUBMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fleetgym.contracts.record import ModelCallRecord, StepRecord, WorkerReport

__all__ = ["reactions"]

_LOOPS = frozenset({ModelFaultKind.REPEAT, ModelFaultKind.CIRCLE})
_HARMLESS = frozenset({"", ModelFaultKind.SLOW, ToolFaultKind.SLOW})
_REFUSED = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """A model call or a step, as far as it matters here."""

    plane: Literal["model", "tool"]
    index: int
    agent: str
    what: str
    """Equal for attempts at the same thing."""

    fault: str
    began_s: float
    ended_s: float
    well: bool
    """Answered, and as ever but for the time it took."""

    def continues(self, other: _Attempt) -> bool:
        """Return whether a fault is one with that of the attempt before it."""
        return self.fault == other.fault and (self.what == other.what or self.fault in _LOOPS)


def reactions(
    model_calls: Sequence[ModelCallRecord],
    asked: Sequence[str],
    steps: Sequence[StepRecord],
    worker: WorkerReport,
    *,
    ended_by: str,
) -> list[FaultRecord]:
    """Return the faults of a run, oldest first, with what came of them.

    Args:
        model_calls: In the order in which they ended.
        asked: Of each, a text that equal requests share.
        steps: Oldest first.
        worker: How the framework's process ended.
        ended_by: What ended the run: ``worker`` when it did so by itself.
    """
    calls = [_of_call(*pair) for pair in zip(model_calls, asked, strict=True)]
    done = [_of_step(step) for step in steps]
    calls.sort(key=lambda one: one.index)
    ending = _ending(worker, ended_by)
    submitted = any(step.name == SUBMIT and not step.is_error for step in steps)
    found = [
        _reaction(row, rest, calls, done, ending, submitted=submitted)
        for plane in (calls, done)
        for agent in dict.fromkeys(one.agent for one in plane)
        for row, rest in _rows([one for one in plane if one.agent == agent])
    ]
    return [record for _, record in sorted(found, key=lambda one: one[0])]


def _of_call(call: ModelCallRecord, asked: str) -> _Attempt:
    return _Attempt(
        plane="model",
        index=call.index,
        agent=call.agent,
        what=asked,
        fault=call.fault,
        began_s=call.started_s,
        ended_s=call.started_s + call.latency_s,
        well=call.status < _REFUSED and call.fault in _HARMLESS,
    )


def _of_step(step: StepRecord) -> _Attempt:
    fault = next((found.fault for found in step.findings if found.fault), "")
    return _Attempt(
        plane="tool",
        index=step.index,
        agent=step.agent,
        what=f"{step.name} {canonical_json(step.arguments)}",
        fault=fault,
        began_s=step.started_s,
        ended_s=step.started_s + step.duration_s,
        well=not step.is_error and fault in _HARMLESS,
    )


def _ending(worker: WorkerReport, ended_by: str) -> Reaction:
    if ended_by not in {"worker", "submitted"} or worker.killed:
        return Reaction.STOPPED
    broke = worker.error or worker.exit_code or worker.signal
    return Reaction.RAISED if broke else Reaction.ENDED


def _rows(attempts: Sequence[_Attempt]) -> Iterable[tuple[Sequence[_Attempt], Sequence[_Attempt]]]:
    """Yield faults that are one, and the attempts of the agent after them."""
    start = 0
    while start < len(attempts):
        end = start + 1
        if attempts[start].fault:
            while end < len(attempts) and attempts[end].continues(attempts[end - 1]):
                end += 1
            yield attempts[start:end], attempts[end:]
        start = end


def _reaction(
    row: Sequence[_Attempt],
    rest: Sequence[_Attempt],
    calls: Sequence[_Attempt],
    done: Sequence[_Attempt],
    ending: Reaction,
    *,
    submitted: bool,
) -> tuple[float, FaultRecord]:
    """Return when faults that are one began, and their record."""
    first, last = row[0], row[-1]
    asked_after = [call for call in calls if call.began_s >= last.ended_s]
    again = rest[0] if rest and rest[0].what == last.what else None
    if again and not (last.plane == "tool" and _between(last, again, calls)):
        reaction = Reaction.RETRIED
    elif asked_after:
        reaction = Reaction.WENT_ON
    else:
        reaction = ending
    tries = [*row, *rest]
    attempts = next((n for n, one in enumerate(tries) if one.what != first.what), len(tries))
    return first.began_s, FaultRecord(
        plane=first.plane,
        kind=first.fault,
        agent=first.agent,
        first=first.index,
        injected=len(row),
        attempts=attempts,
        waited_s=max(0.0, tries[1].began_s - first.ended_s) if attempts > 1 else 0.0,
        reaction=reaction,
        recovered=submitted or _goes_well(last, asked_after, done),
    )


def _between(one: _Attempt, other: _Attempt, calls: Sequence[_Attempt]) -> bool:
    """Return whether the agent's model was asked between two steps."""
    return any(
        one.began_s <= call.began_s <= other.began_s for call in calls if call.agent == one.agent
    )


def _goes_well(last: _Attempt, asked_after: Sequence[_Attempt], done: Sequence[_Attempt]) -> bool:
    """Return whether a step that went well followed, on a good answer if the model was at fault."""
    since = last.began_s if last.well else last.ended_s
    if last.plane == "model" and not last.well:
        since = next((call.ended_s for call in asked_after if call.well), float("inf"))
    return any(step.well and step.began_s >= since for step in done)
