"""What every framework plugin promises, held to it: `fleetgym check framework`.

Scripted episodes (:mod:`fleetgym.runner.rehearsal`) are run as any suite's are, and what gateway
and episode have seen is compared with what the script must lead to. What a framework makes of a
fault is no promise, for that is measured; that a run then comes to an end, and says how, is.
"""

from __future__ import annotations

import asyncio
import fnmatch
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from fleetgym.contracts.errors import UnknownName
from fleetgym.contracts.faults import FaultPlan
from fleetgym.contracts.record import Outcome
from fleetgym.contracts.scenario import Budget
from fleetgym.contracts.tools import SUBMIT
from fleetgym.runner.check import Check
from fleetgym.runner.rehearsal import ENTRY, NOTHING, SCENARIO, number_of
from fleetgym.runner.stage import SEED, Rehearsed, Stage, stage

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Collection,
        Iterable,
        Iterator,
        Mapping,
    )

    from fleetgym.contracts.record import RunRecord
    from fleetgym.gateway import ChatRequest
    from fleetgym.registry import RegisteredFramework, Registry

    _Promise: TypeAlias = Callable[[Stage], Awaitable[list[str]]]

__all__ = ["EXPECTED", "check_framework"]

EXPECTED: Mapping[str, str] = {
    "max_retries": "how often a request to the model is tried again",
    "max_rounds": "how many rounds of tool calls an agent makes in a turn",
    "timeout_s": "how long a request to the model may take",
}
"""Parameters that every plugin declares, so that a suite can set them alike for all."""

_AT_ONCE = 3
_SECONDS = 20.0
"""What a script may take that comes to an end by itself, many times over."""

_GONE = FaultPlan.model_validate({"model": [{"fault": "server_error", "since": 1}]})
_LOST = FaultPlan.model_validate({"tools": [{"fault": "unreachable", "at": 1}]})


async def check_framework(
    registry: Registry, name: str, *, isolate: str = "local", only: Collection[str] = ()
) -> AsyncIterator[Check]:
    """Yield each check of a framework's plugin when it is done.

    Args:
        registry: Where it is looked up.
        name: The framework's.
        isolate: How its runs are isolated.
        only: Promises, or patterns of them; all by default.

    Raises:
        UnknownName: There is no such framework, or promise.
        OperatorError: It cannot be started, or not be isolated here.
    """
    framework = registry.framework(name)
    promises = dict(_promises(framework))
    for pattern in only:
        if not fnmatch.filter(promises, pattern):
            raise UnknownName("promise", pattern, promises)
    chosen = {p for pattern in only or ["*"] for p in fnmatch.filter(promises, pattern)}
    async with stage(framework, isolate, count=_AT_ONCE) as here:
        for promise, held in promises.items():
            if promise not in chosen:
                continue
            problems = await held(here)
            yield Check(name=promise, scenario=name, holds=not problems, detail="; ".join(problems))


def _promises(framework: RegisteredFramework) -> Iterator[tuple[str, _Promise]]:
    yield "declares its limits", _declares
    yield "plays an episode", _plays
    yield "makes several calls at once", _several
    yield "plays episodes side by side", _side_by_side
    yield "ends where the model is out of order", _model_gone
    yield "ends where a tool raises", _tool_lost
    yield "ends at its own limit", _limited
    yield "ends with its episode", _over
    yield "ends where the model is silent", _timed_out
    yield "can be killed", _killed
    for topology in framework.spec.topologies[1:]:
        yield f"plays in a team: {topology}", partial(_team, topology=topology)


async def _declares(here: Stage) -> list[str]:
    framework = here.framework
    problems = [
        f"`defaults` lacks `{name}`: {what}"
        for name, what in EXPECTED.items()
        if name not in framework.defaults
    ]
    if framework.spec.topologies[0] != "single":
        problems.append("`topologies` does not begin with `single`, one agent with all tools")
    return problems


async def _plays(here: Stage) -> list[str]:
    played = await here.rehearse("finder")
    problems = list(_succeeded(played))
    if not played.requests:
        return [*problems, "it asked the model nothing through `episode.model()`"]
    # The model tries a call that fails once more, and once more again.
    calls = played.calls()[-4:]
    last = [
        ("look", {"place": "nowhere"}),
        ("look", {"place": "here", "depth": 2}),
        ("note", {"entry": ENTRY, "urgent": True}),
        (SUBMIT, {"answer": f'{{"number": {number_of(SEED)}}}'}),
    ]
    if calls != last:
        problems.append(
            f"the model's last calls were {last}, and those that reached the episode {calls}: pass "
            "names and arguments on as they are"
        )
    first = played.requests[0].body
    said = str(first["messages"])
    task = f"Find number {SEED}, note it, and hand it in."
    for what, text in (("brief.system", SCENARIO.system), ("brief.task", task)):
        if text not in said:
            problems.append(f"the first request lacks `{what}`")
    if missing := {*SCENARIO.tools} - _offered(played.requests[0]):
        problems.append(f"the first request does not offer the tools {sorted(missing)}")
    if NOTHING not in str(played.requests[-1].body["messages"]):
        problems.append("what a refused call was answered did not reach the model word for word")
    if first.get("seed") != SEED:
        problems.append("requests lack `seed`: pass `episode.seed` on")
    if played.record.worker.versions != here.framework.versions:
        problems.append(
            f"`versions()` said {played.record.worker.versions}, and "
            f"{here.framework.versions} is installed"
        )
    if not played.record.worker.closing_text:
        problems.append("`run` returned no closing text")
    return problems


async def _several(here: Stage) -> list[str]:
    played = await here.rehearse("surveyor")
    problems = list(_succeeded(played))
    asked = [call.tool_calls for call in played.record.model_calls]
    if asked[:2] != [["look", "look"], [SUBMIT]]:
        problems.append(
            "the model asked for two calls in one answer, and was not given both results with the "
            f"next request: {asked}"
        )
    return problems


async def _side_by_side(here: Stage) -> list[str]:
    seeds = range(SEED, SEED + _AT_ONCE)
    played = await asyncio.gather(*(here.rehearse("finder", seed=seed) for seed in seeds))
    return [
        f"seed {seed}: {problem}"
        for seed, one in zip(seeds, played, strict=True)
        for problem in _succeeded(one)
    ]


async def _model_gone(here: Stage) -> list[str]:
    budget = Budget(seconds=_SECONDS)
    played = await here.rehearse("finder", plan=_GONE, budget=budget, max_retries=1)
    problems = list(_ended_by_itself(played.record))
    calls = len(played.record.model_calls)
    if "max_retries" in here.framework.defaults and calls != 2:
        problems.append(f"with `max_retries` 1 it made {calls} requests, not 2")
    return problems


async def _tool_lost(here: Stage) -> list[str]:
    budget = Budget(seconds=_SECONDS)
    return list(_ended_by_itself((await here.rehearse("finder", plan=_LOST, budget=budget)).record))


async def _limited(here: Stage) -> list[str]:
    if "max_rounds" not in here.framework.defaults:
        return ["it declares no `max_rounds`"]
    played = await here.rehearse("restless", max_rounds=2, budget=Budget(seconds=_SECONDS))
    problems = list(_ended_by_itself(played.record))
    # Some learn only after a round too many that it was one.
    if not 1 <= len(played.record.steps) <= 3:
        problems.append(f"with `max_rounds` 2 it made {len(played.record.steps)} tool calls")
    return problems


async def _over(here: Stage) -> list[str]:
    record = (await here.rehearse("restless", budget=Budget(steps=3))).record
    if record.worker.killed:
        return ["it goes on after the episode has ended: let `EpisodeOver` through"]
    return []


async def _timed_out(here: Stage) -> list[str]:
    budget = Budget(seconds=_SECONDS)
    played = await here.rehearse("silent", timeout_s=1.0, max_retries=0, budget=budget)
    return list(_ended_by_itself(played.record))


async def _killed(here: Stage) -> list[str]:
    record = (await here.rehearse("silent", budget=Budget(seconds=1.0))).record
    if record.outcome is not Outcome.BUDGET_EXHAUSTED:
        return [f"the run ended as {record.outcome}, not at its budget: {record.detail}"]
    return [] if record.worker.killed else ["its process ended before it was killed"]


async def _team(here: Stage, topology: str) -> list[str]:
    played = await here.rehearse("finder", topology=topology)
    problems = list(_succeeded(played))
    owners = {tool: role.name for role in SCENARIO.team for tool in role.tools}
    problems += [
        f"{step.name!r} is a tool of {owners.get(step.name)!r} and was called by {step.agent!r}: "
        "pass `agent=` to `episode.call`"
        for step in played.record.steps
        if step.agent != owners.get(step.name)
    ]
    problems += [
        f"{request.agent!r} was offered {tool!r}, a tool of {owners[tool]!r}"
        for request in played.requests
        for tool in sorted(_offered(request) & owners.keys())
        if owners[tool] != request.agent
    ]
    asked = {request.agent for request in played.requests}
    problems += [
        f"{role.name!r} never asked its own `episode.model(NAME)`"
        for role in SCENARIO.team
        if role.name not in asked
    ]
    passed = [event for event in played.record.events if event["kind"] in {"handoff", "message"}]
    if not passed:
        problems.append("nothing was told of what went between agents: `episode.emit(passed(…))`")
    return list(dict.fromkeys(problems))


def _offered(request: ChatRequest) -> set[str]:
    return {tool["function"]["name"] for tool in request.body.get("tools") or ()}


def _succeeded(played: Rehearsed) -> Iterable[str]:
    if played.record.outcome is not Outcome.SUCCESS:
        yield f"the run ended as {played.record.outcome.value}: {played.ending}"
    elif played.record.worker.error:
        yield f"`run` raised after the submission: {played.ending}"


def _ended_by_itself(record: RunRecord) -> Iterable[str]:
    if record.worker.killed:
        yield f"it did not come to an end and had to be killed ({record.detail})"
