"""How agents of a team worked together: what passed between them, what it cost, where it stuck.

Calls, tokens and turns are those that the gateway saw, steps those of the episode; hand-offs and
messages are what the framework told. A *silence* is a row of model calls without a step of the
task between them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from fleetgym.contracts.framework import SINGLE
from fleetgym.contracts.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fleetgym.contracts.record import ModelCallRecord, RunRecord

__all__ = ["Coordination", "Tangle", "TeamRow", "coordination", "team_rows"]

_RETURNS = 5
"""Turns of two agents in one silence, one after the other, that are no progress any more."""

_STUCK = 4
"""Model calls after the last step, in a run that handed in nothing."""

_HANDED_IN = {Outcome.SUCCESS, Outcome.FAILURE}
Kind = Literal["ping_pong", "deadlock", "starvation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tangle:
    """A way in which a team stuck."""

    kind: Kind
    """``ping_pong``: two agents passed on to each other at least five times, and nobody did
    anything. ``deadlock``: nothing was handed in, and at least four model calls after the last step
    came to nothing. ``starvation``: nothing was handed in, and a member never got a turn.
    """

    agents: tuple[str, ...]
    call: int | None = None
    """Index of the model call with which it begins; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordination:
    """One run of a team."""

    calls: Mapping[str, int]
    """Model calls by agent, in the order of their first."""

    tokens: Mapping[str, int]
    """Input and output tokens by agent."""

    latency_s: Mapping[str, float]
    """Mean seconds of a model call, by agent."""

    handoffs: int
    messages: int
    characters: int
    """Of hand-offs and messages together."""

    structured: int
    """How many of them are JSON."""

    tangles: tuple[Tangle, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamRow:
    """One framework version in one topology with a team. Means are over runs that were not void."""

    name: str
    """``framework@version/topology``."""

    agents: float
    handoffs: float
    messages: float
    characters: float
    structured: float | None
    """Share of hand-offs and messages that are JSON, in [0, 1]; None when there were none."""

    pairs: int
    """Runs of which there is one of the same framework version in the topology ``single``, of the
    same scenario, condition, model and seed.
    """

    more_tokens: float | None
    """Mean difference of tokens to these; None without pairs."""

    more_calls: float | None
    """Mean difference of model calls to these."""

    tangles: Mapping[str, int]
    """Runs with each kind of :class:`Tangle`."""


def coordination(record: RunRecord) -> Coordination | None:
    """Return how the agents of a run worked together; None for one agent alone."""
    if record.key.topology == SINGLE or not record.model_calls:
        return None
    calls = Counter(call.agent for call in record.model_calls)
    tokens = Counter[str]()
    seconds: defaultdict[str, float] = defaultdict(float)
    for call in record.model_calls:
        tokens[call.agent] += call.input_tokens + call.output_tokens
        seconds[call.agent] += call.latency_s
    passed = [event for event in record.events if "to" in event["attributes"]]
    return Coordination(
        calls=dict(calls),
        tokens=dict(tokens),
        latency_s={agent: seconds[agent] / count for agent, count in calls.items()},
        handoffs=sum(event["kind"] == "handoff" for event in passed),
        messages=sum(event["kind"] == "message" for event in passed),
        characters=sum(int(event["attributes"].get("size", 0)) for event in passed),
        structured=sum(bool(event["attributes"].get("structured")) for event in passed),
        tangles=tuple(_tangles(record)),
    )


def team_rows(groups: Mapping[str, Sequence[RunRecord]]) -> tuple[TeamRow, ...]:
    """Return a row for each group of runs of a team, by name.

    Args:
        groups: Runs by row name.
    """
    alone = {
        _block(record): record
        for members in groups.values()
        for record in members
        if record.key.topology == SINGLE and record.outcome is not Outcome.VOID
    }
    rows = (_row(name, members, alone) for name, members in groups.items())
    return tuple(row for row in rows if row is not None)


def _row(
    name: str, members: Iterable[RunRecord], alone: Mapping[tuple[object, ...], RunRecord]
) -> TeamRow | None:
    runs = [
        (record, found)
        for record in members
        if record.outcome is not Outcome.VOID and (found := coordination(record)) is not None
    ]
    if not runs:
        return None
    passed = sum(found.handoffs + found.messages for _, found in runs)
    pairs = [(record, alone[_block(record)]) for record, _ in runs if _block(record) in alone]
    return TeamRow(
        name=name,
        agents=fmean(len(found.calls) for _, found in runs),
        handoffs=fmean(found.handoffs for _, found in runs),
        messages=fmean(found.messages for _, found in runs),
        characters=fmean(found.characters for _, found in runs),
        structured=sum(found.structured for _, found in runs) / passed if passed else None,
        pairs=len(pairs),
        more_tokens=fmean(_tokens(team) - _tokens(one) for team, one in pairs) if pairs else None,
        more_calls=(
            fmean(team.usage.model_calls - one.usage.model_calls for team, one in pairs)
            if pairs
            else None
        ),
        tangles=dict(
            Counter(kind for _, found in runs for kind in {one.kind for one in found.tangles})
        ),
    )


def _block(record: RunRecord) -> tuple[object, ...]:
    key = record.key
    return (
        key.framework, key.framework_version, key.scenario, key.scenario_version, key.condition,
        key.model, key.seed,
    )  # fmt: skip


def _tokens(record: RunRecord) -> int:
    return record.usage.input_tokens + record.usage.output_tokens


def _tangles(record: RunRecord) -> Iterable[Tangle]:
    silences = _silences(record)
    for silence in silences:
        yield from _returns(silence)
    if record.outcome in _HANDED_IN:
        return
    last = silences[-1]
    if len(last) >= _STUCK:
        yield Tangle(kind="deadlock", agents=_agents(last), call=last[0].index)
    spoke = {call.agent for call in record.model_calls}
    starved = tuple(name for name in record.team if name not in spoke)
    if starved:
        yield Tangle(kind="starvation", agents=starved)


def _silences(record: RunRecord) -> list[list[ModelCallRecord]]:
    """Return rows of model calls without a step between them, the last one after the last step."""
    steps = sorted(step.started_s for step in record.steps)
    found: list[list[ModelCallRecord]] = [[]]
    done = 0
    for call in record.model_calls:
        while done < len(steps) and steps[done] < call.started_s:
            done += 1
            found.append([])
        found[-1].append(call)
    # The call before a step is the one that asked for it.
    talk = [silence[:-1] for silence in found[:-1]]
    last = found[-1][:-1] if done < len(steps) else found[-1]
    return [*talk, last]


def _returns(silence: Sequence[ModelCallRecord]) -> Iterable[Tangle]:
    """Yield the first row of turns in which two agents only passed on to each other."""
    turns = [next(calls) for _, calls in groupby(silence, key=lambda call: call.agent)]
    for start in range(len(turns) - _RETURNS + 1):
        some = turns[start : start + _RETURNS]
        if len({call.agent for call in some}) == 2:
            yield Tangle(kind="ping_pong", agents=_agents(some), call=some[0].index)
            return


def _agents(calls: Iterable[ModelCallRecord]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(call.agent for call in calls))
