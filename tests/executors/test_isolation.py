"""What an agent gets at that attacks from inside a framework's process: nothing but its episode."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from contest import arena
from fleetgym.executors.bubblewrap import Bubblewrap
from fleetgym.executors.promises import check_isolation
from hostile import install_hostile
from proc import descendants, gone

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from contest import Arena

REPOSITORY = Path(__file__).parents[2]

isolated = pytest.mark.parametrize(
    "attack", ["local", pytest.param("docker", marks=pytest.mark.docker)], indirect=True
)


async def found(attack: Arena, do: str, argument: Any = None) -> Any:
    report = await attack.play(do, argument)
    assert report.error is None
    return json.loads(report.closing_text)


@isolated
async def test_an_isolated_agent_plays_its_episode(attack: Arena) -> None:
    assert await found(attack, "play") is True


@isolated
async def test_it_reads_no_file_of_the_host(attack: Arena, tmp_path: Path) -> None:
    record = tmp_path / "record"
    record.write_text("the truth")
    paths = [
        "/etc/shadow", "/root/.profile", "/root/.bashrc", "/var/lib/docker", "/root/.ssh",
        str(record), *map(str, attack.folder.glob("state/*")), str(attack.folder / "a.log"),
        *(str(path) for path in REPOSITORY.iterdir() if path.name not in {"gym", ".venv"}),
        str(REPOSITORY / "gym/tests"), "/proc/kcore", "/dev/mem", "/dev/kmsg",
    ]  # fmt: skip
    assert await found(attack, "read", paths) == {}


@isolated
async def test_it_writes_nowhere_but_at_home(attack: Arena) -> None:
    report = await found(attack, "read", ["/", "/proc/self/mounts"])
    tops = [f"/{name}" for name in report["/"]]
    mounts = [line.split()[1] for line in report["/proc/self/mounts"].splitlines()]
    written = await found(
        attack,
        "write",
        [*tops, *mounts, "/proc/sys/kernel", "/dev/shm", "/fleetgym/place/imports", "."],
    )
    assert set(written) <= {"/dev/shm", "/fleetgym/home", "."}
    assert "." in written


@isolated
async def test_it_is_nobody_and_can_become_nobody_else(attack: Arena) -> None:
    assert await found(attack, "identity") == {
        "uid": 65534,
        "euid": 65534,
        "gid": 65534,
        "capabilities": True,
        "no_new_privs": 1,
        "new_user_namespace": -1,
        "new_mounts": -1,
        "unmounted": [-1, -1],
    }


@isolated
async def test_it_sees_nothing_of_the_hosts_environment(
    attack: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not [
        value
        for value in await found(attack, "environment")
        if str(REPOSITORY) in value or "pytest" in value.lower() or str(attack.folder) in value
    ]


@contextmanager
def listeners() -> Generator[list[int]]:
    """Listen for TCP, and echo over UDP, on this machine's loopback address."""
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(type=socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("127.0.0.1", 0))
        yield [tcp.getsockname()[1], udp.getsockname()[1]]


@isolated
async def test_it_reaches_no_address_but_its_episodes(attack: Arena) -> None:
    here, other = await attack.episode(), await attack.episode()
    with listeners() as ports:
        ask = [*ports, other.port, here.port]
        handle = await attack.start(here, do="connect", **{"with": ask})
        report = await handle.wait()
    assert json.loads(report.closing_text) == [[here.port, int(socket.SOCK_STREAM)]]
    assert await found(attack, "interfaces") == ["lo"]


@isolated
async def test_it_finds_nothing_of_a_run_at_the_same_time(attack: Arena) -> None:
    here, looked = await attack.watched_episode()
    other = await attack.start(here, do="keep_secret", **{"with": "correct horse"})
    await looked.wait()
    assert await found(attack, "find_secret", "correct horse") == []
    seen = await found(attack, "processes")
    # In a container, number 1 is the process that this run, and no other, was forked from.
    assert [path for path in seen["read"] if not path.startswith("/proc/1/")] == []
    assert {abs(pid) for pid in seen["signalled"]} <= {1}
    await found(attack, "kill_all")
    assert not other.ended
    await other.kill()
    assert (await other.wait()).signal == 9


@isolated
async def test_it_shares_no_abstract_socket_with_another_run(attack: Arena) -> None:
    here, looked = await attack.watched_episode()
    other = await attack.start(here, do="listen_abstract", **{"with": "meet"})
    await looked.wait()
    assert await found(attack, "connect_abstract", "meet") == "ConnectionRefusedError"
    await other.kill()


@isolated
@pytest.mark.parametrize(
    ("bomb", "end"),
    [
        pytest.param("fork_bomb", "processes, and was ended.", id="processes"),
        pytest.param("memory_bomb", "MemoryError", id="memory"),
        pytest.param("shared_memory_bomb", "of memory, and was ended.", id="memory-of-many"),
        pytest.param("disk_bomb", "No space left on device", id="disk"),
        pytest.param("files_bomb", "Too many open files", id="open-files"),
        pytest.param("print_bomb", "", id="output"),
        pytest.param("lie_at_length", "reported more than is taken", id="report"),
    ],
)
async def test_a_bomb_ends_its_own_run_and_no_other(attack: Arena, bomb: str, end: str) -> None:
    here, looked = await attack.watched_episode()
    other = await attack.start(here, do="keep_secret", **{"with": ""})
    await looked.wait()
    report = await attack.play(bomb)
    assert end in (report.error or "")
    assert report.exit_code or report.signal
    assert not other.ended
    await other.kill()
    assert await found(attack, "play") is True


@isolated
@pytest.mark.parametrize(
    "lie",
    [
        pytest.param("{}", id="empty"),
        pytest.param('{"closing_text": {"a": 1}, "error": [], "imported": 7}', id="types"),
        pytest.param("\\xff", id="no-json"),
        pytest.param("[" * 50_000, id="depth"),
    ],
)
async def test_a_report_that_is_nonsense_breaks_nothing(attack: Arena, lie: str) -> None:
    report = await attack.play("lie", lie)
    assert report.exit_code == 0
    assert await found(attack, "play") is True


@isolated
async def test_the_time_limit_ends_what_fled_as_well(attack: Arena) -> None:
    here, looked = await attack.watched_episode()
    handle = await attack.start(here, do="keep_secret", **{"with": ""})
    await looked.wait()
    await handle.kill()
    report = await handle.wait()
    assert (report.signal, report.error) == (9, None)
    assert report.cpu_s > 0
    assert report.peak_memory_bytes > 1 << 20


async def test_where_namespaces_are_refused_each_run_gets_a_process_of_its_own(
    place: Path, stack: AsyncExitStack
) -> None:
    jail = Bubblewrap()
    jail.part_by_processes()
    attack = await arena(jail, install_hostile(place / "hostile"), place, stack)
    for _ in range(3):
        assert await found(attack, "play") is True
    assert (await found(attack, "identity"))["capabilities"] is True
    report = await attack.play("fork_bomb")
    assert "processes, and was ended." in (report.error or "")


def test_this_machine_keeps_every_promise_of_local_isolation() -> None:
    assert [promise for promise in check_isolation("local") if not promise.kept] == []


RUNNER = """
import asyncio, json, sys
sys.path[:0] = json.loads(sys.argv[1])
from pathlib import Path
from fleetgym.executors import kinds
from fleetgym.executors.connection import Job
from hostile import install_hostile

async def main(folder):
    launcher = kinds.launcher("local")
    warm = await kinds.warm(install_hostile(folder / "h"), launcher, str(folder / "w"), count=1)
    lane = await kinds.reach(str(folder / "w"))
    job = Job(episode_url="http://127.0.0.1:47009/r/x", token="t", topology="single",
              parameters={"do": "nothing"}, port=47009)
    handle = await lane.spawn(job)
    await handle.listener()
    print(warm.pid, flush=True)
    await handle.wait()

asyncio.run(main(Path(sys.argv[2])))
"""


async def test_nothing_outlives_a_runner_that_is_killed(place: Path) -> None:
    runner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUNNER, json.dumps(sys.path), str(place)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "FLEETGYM_HOME": str(place / "state")},
    )
    assert runner.stdout is not None
    warm = int(await runner.stdout.readline())
    left = [warm, *descendants(warm)]
    # Bubblewrap, its first process, the one that waits for the warm process, that, and a run.
    assert len(left) == 5
    runner.kill()
    await runner.wait()
    for pid in left:
        await gone(pid)
