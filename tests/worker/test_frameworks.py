"""What holds of each of the four frameworks, in its own environment, through a real warm process.

The environments are those that `make setup` makes.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

import pytest

from fleetgym.gateway import PolicyUpstream
from fleetgym.policy import PARALLEL
from fleetgym.registry import Registry
from world import NUMBER, SEED, Failing, Restless, Silent, Surveyor, expert, world

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Started, Warm
    from fleetgym.executors.connection import WorkerExit
    from fleetgym.registry import RegisteredFramework
    from world import World

pytestmark = pytest.mark.frameworks


@pytest.fixture(params=["autogen", "crewai", "langchain", "langgraph"])
def framework(request: pytest.FixtureRequest) -> RegisteredFramework:
    return Registry.discover().framework(request.param)


@pytest.fixture
async def warm(start: Started, framework: RegisteredFramework) -> Warm:
    return await start(framework)


async def run(
    warm: Warm, framework: RegisteredFramework, here: World, **parameters: Any
) -> WorkerExit:
    job = here.job(**{**framework.defaults, **parameters})
    return await (await warm.connection.spawn(job)).wait()


async def test_a_framework_keeps_its_promises(
    warm: Warm, framework: RegisteredFramework, tmp_path: Path
) -> None:
    """One warm process serves all of them, for imports are what takes time here."""
    assert not warm.parent.cold
    for promise in (
        _plays,
        _plays_in_teams,
        _makes_several_calls,
        _obeys_the_budget,
        _stops_after_rounds,
        _retries,
        _can_be_killed,
    ):
        folder = tmp_path / promise.__name__
        folder.mkdir()
        await promise(warm, framework, folder)


async def _plays(warm: Warm, framework: RegisteredFramework, folder: Path) -> None:
    async with world(folder) as here:
        report = await run(warm, framework, here)
    assert here.seen()[-3:] == [
        ("look", {"place": "nowhere"}, True),
        ("look", {"place": "here", "depth": 2}, False),
        ("submit", {"answer": f'{{"number": {NUMBER}}}'}, False),
    ]
    assert (report.error, report.exit_code, report.closing_text) == (
        None,
        0,
        "The answer is submitted.",
    )
    assert report.versions == framework.versions
    assert report.cpu_s > 0
    assert report.peak_memory_bytes > 32 << 20
    for asked in here.requests:
        assert (asked["seed"], asked["temperature"]) == (SEED, 0)
        assert [tool["function"]["name"] for tool in asked["tools"]] == [
            tool.name for tool in here.session.brief.tools
        ]
    # What it is told is all there, and a refusal reaches the model word for word.
    said = str(here.requests[-1]["messages"])
    assert here.session.brief.system in said
    assert here.session.brief.task in said
    assert "Error: There is nothing there" in said


async def _plays_in_teams(warm: Warm, framework: RegisteredFramework, folder: Path) -> None:
    """Each member has its own identity, its own tools and its own words."""
    assert framework.spec.topologies[0] == "single"
    assert framework.spec.topologies[1:]
    for topology in framework.spec.topologies[1:]:
        folder_of_its_own = folder / topology
        folder_of_its_own.mkdir()
        async with world(folder_of_its_own) as here:
            job = here.job(topology, **framework.defaults)
            report = await (await warm.connection.spawn(job)).wait()
        assert report.error is None, topology
        done = [(step.agent, step.name, step.is_error) for step in here.session.steps]
        assert done == [
            *[("scout", "look", True)] * 3,  # there is nothing, however often it is asked
            ("scout", "look", False),
            ("clerk", "submit", False),
        ]
        assert here.session.brief.team is not None
        members = {one.name: one for one in here.session.brief.team.members}
        for call, asked in zip(here.calls, here.requests, strict=True):
            offered = [tool["function"]["name"] for tool in asked.get("tools") or ()]
            member = members.get(call.agent)
            others = {"look", "submit"} - set(member.tools if member else ())
            assert not others & set(offered), (topology, call.agent)
            if member:
                assert member.system in str(asked["messages"][0]["content"]), topology
        told = here.session.events
        assert [(one["agent"], one["attributes"]["to"]) for one in told], topology
        assert {one["kind"] for one in told} <= {"handoff", "message"}
        for one in told:
            assert one["agent"] in {*members, "coordinator"}
            assert one["attributes"]["to"] in {*members, "coordinator", "all"}
            assert one["attributes"]["size"] > 0


async def _makes_several_calls(warm: Warm, framework: RegisteredFramework, folder: Path) -> None:
    async with world(folder, upstream=PolicyUpstream(Surveyor(), PARALLEL, SEED)) as here:
        report = await run(warm, framework, here)
    assert report.error is None
    assert here.calls[0].tool_calls == ["look", "look"]
    first, second, _ = here.seen()
    assert {first[1]["depth"], second[1]["depth"]} == {1, 2}
    assert here.session.submitted


async def _obeys_the_budget(warm: Warm, framework: RegisteredFramework, folder: Path) -> None:
    async with world(folder, upstream=expert(Restless()), steps=3) as here:
        await run(warm, framework, here)
        assert here.session.ended_by == "steps"
        assert len(here.session.steps) == 3


async def _stops_after_rounds(warm: Warm, framework: RegisteredFramework, folder: Path) -> None:
    async with world(folder, upstream=expert(Restless())) as here:
        await run(warm, framework, here, max_rounds=2)
        # Those that leave room for the answer learn only then that it is one more call.
        one_more = framework.spec.name in {"langchain", "langgraph"}
        assert len(here.session.steps) == 2 + one_more


async def _retries(warm: Warm, framework: RegisteredFramework, folder: Path) -> None:
    async with world(folder, upstream=Failing()) as here:
        report = await run(warm, framework, here, max_retries=1)
    assert len(here.calls) == 2
    assert "Out of order." in (report.error or "")
    assert report.exit_code == 1


async def _can_be_killed(warm: Warm, framework: RegisteredFramework, folder: Path) -> None:
    silent = Silent()
    async with world(folder, upstream=silent) as here:
        handle = await warm.connection.spawn(here.job(**framework.defaults))
        await silent.asked.wait()
        await handle.kill()
        report = await handle.wait()
    assert (report.signal, report.error) == (signal.SIGKILL, None)


async def test_runs_at_the_same_time_do_not_mix(
    warm: Warm, framework: RegisteredFramework, tmp_path: Path
) -> None:
    async def one(index: int) -> bool:
        async with world(tmp_path / str(index)) as here:
            return (await run(warm, framework, here)).error is None and here.session.submitted

    for index in range(3):
        (tmp_path / str(index)).mkdir()
    assert await asyncio.gather(*map(one, range(3))) == [True] * 3
