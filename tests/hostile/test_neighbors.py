"""What an honest run loses by the hostile ones beside it: nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from arena import NOTHING
from fleetgym.contracts.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from arena import Arena, Episode


def _sql(episode: Episode) -> None:
    episode.call("execute_sql_query", query="SELECT length(repeat('a', 2000000000))")


def _kql(episode: Episode) -> None:
    episode.call("execute_kql_query", query="print " + "(" * 9000)


def _requests(episode: Episode) -> None:
    with ThreadPoolExecutor(20) as threads:
        for _ in range(100):
            threads.submit(episode.ask, "/brief", headers={})


def _bodies(episode: Episode) -> None:
    for _ in range(5):
        episode.ask("/submit", "[" * 900_000)
        episode.ask("/events", {"kind": "x", "attributes": {"x": "y" * 900_000}})


def _artifact(episode: Episode) -> None:
    episode.ask("/submit", {"artifact": {**NOTHING, "kql_query": "print strrep('a', 2000000000)"}})


def _forks(episode: Episode) -> None:
    episode.call("bash", command="bomb() { bomb | bomb & }; bomb; sleep 5")


def _disk(episode: Episode) -> None:
    episode.call("bash", command="cat /dev/zero > full; yes > more; head -c 100M /dev/zero | tail")


def _memory(episode: Episode) -> None:
    episode.call("python", code="x = []\nwhile True: x.append(bytearray(2**24))")


def _output(episode: Episode) -> None:
    episode.call("bash", command="yes & yes >&2 & cat /dev/zero")


def _death(episode: Episode) -> None:
    episode.call("possess", code="import os; os._exit(1)")


def _garbage(episode: Episode) -> None:
    episode.call(
        "possess",
        code="import os\nfor n in range(3, 30):\n try: os.write(n, b'x\\n')\n except OSError: pass",
    )


def _vanishing(episode: Episode) -> None:
    episode.ask("/events", {"kind": "x", "attributes": {}})


HOSTILE: dict[str, Callable[[Episode], None]] = {
    "SQL": _sql,
    "KQL": _kql,
    "requests": _requests,
    "bodies": _bodies,
    "artifacts": _artifact,
    "a fork bomb": _forks,
    "a full disk": _disk,
    "all memory": _memory,
    "endless output": _output,
    "a tool server's death": _death,
    "garbage on the wire": _garbage,
    "going away": _vanishing,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_honest_run_earns_everything_and_sees_nothing_of_it(name: str, arena: Arena) -> None:
    before = arena.lane.resident_bytes()
    honest, hostile = arena.lane.open(), arena.lane.open(seconds=30)
    half = len(arena.calls) // 2

    honest.replay(arena.calls[:half])
    with ThreadPoolExecutor(1) as thread:
        attacking = thread.submit(HOSTILE[name], hostile)
        honest.replay(arena.calls[half:])
        attacking.result()

    record = honest.record()
    assert (record.outcome, record.score) == (Outcome.SUCCESS, arena.undisturbed.score)
    assert [step.content for step in record.steps] == [
        step.content for step in arena.undisturbed.steps
    ]
    assert arena.lane.alive
    assert arena.lane.resident_bytes() - before < 128 * 1024**2
    hostile.leave()


def test_a_program_cannot_end_the_episode_that_runs_it(arena: Arena) -> None:
    episode = arena.visit()
    answer = episode.call("bash", command="kill -9 -1; kill -9 1 $PPID; echo still here")
    assert answer.status == 200
    assert episode.give_up().score == arena.earned


def test_what_an_episode_leaves_behind_is_not_there_in_the_next(arena: Arena) -> None:
    first = arena.visit()
    first.call(
        "bash", command="echo secret > note; mkdir -p deep/er; ln -s / root; setsid sleep 300 &"
    )
    first.give_up()

    second = arena.visit()
    seen = second.call("bash", command="ls -A . /tmp; cat /proc/[0-9]*/cmdline | tr '\\0' ' '")

    assert "note" not in seen.content
    assert "sleep 300" not in seen.content
    assert second.give_up().score == arena.earned
