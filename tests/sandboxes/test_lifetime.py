from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fleetgym.contracts.errors import SandboxError
from fleetgym.contracts.sandbox import SandboxSpec
from fleetgym.contracts.tools import ToolCall
from fleetgym.sandboxes import provider

if TYPE_CHECKING:
    from conftest import World

HOST = """
import os, sys, threading
from pathlib import Path
sys.path.append({toolsets!r})
from fleetgym.contracts.sandbox import SandboxSpec
from fleetgym.contracts.tools import ToolCall
from fleetgym.sandboxes import provider

sandboxes = provider({kind!r})
busy, idle = (
    sandboxes.open(SandboxSpec(toolsets=("probe_toolset",)), Path({data!r})) for _ in range(2)
)
idle.close()
busy.call(ToolCall("leave_process", {{}}))
mounts = dict(line.split("=") for line in busy.call(ToolCall("mounted")).content.splitlines())
hang = ToolCall("hang", {{"text": mounts["data"] + "/begun"}})
threading.Thread(target=busy.call, args=[hang], daemon=True).start()
Path({data!r}, "begun").read_text()
print("ready", flush=True)
sys.stdin.read()
"""


def descendants(pid: int | str) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
            for child in children.read_text().split():
                yield int(child)
                yield from descendants(child)


@pytest.mark.parametrize("kind", ["local", "none"])
def test_no_process_outlives_a_host_that_is_killed(
    kind: str, data: Path, toolsets: Path, own_home: Path
) -> None:
    os.mkfifo(data / "begun")
    code = HOST.format(kind=kind, data=str(data), toolsets=str(toolsets))
    host = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"ready\n"
        handles = [os.pidfd_open(pid) for pid in descendants(host.pid)]
        host.kill()
        gone = [handle for handle in handles if select.select([handle], [], [], 20)[0]]
        for handle in handles:
            os.close(handle)
    assert len(handles) >= 4
    assert gone == handles


def test_what_an_episode_started_is_gone_before_the_next(world: World) -> None:
    with world.probe() as probe:
        left = probe("leave_process")
        assert probe("alive", left) == "True"
    with world.probe() as probe:
        assert probe("alive", left) == "False"


def test_scratch_is_empty_when_an_episode_begins(world: World) -> None:
    with world.probe() as probe:
        probe("lock_scratch")
    with world.probe() as probe:
        assert probe("read", ".") == ""


def test_a_closed_provider_leaves_nothing(world: World, own_home: Path) -> None:
    before, jails = set(descendants("self")), set((own_home / "cache" / "jails").glob("*"))
    sandboxes = provider(world.kind)
    idle, busy = (sandboxes.open(world.spec(), world.data) for _ in range(2))
    idle.close()
    busy.call(ToolCall("leave_process"))

    sandboxes.close()
    busy.close()

    assert set(descendants("self")) == before
    assert set((own_home / "cache" / "jails").glob("*")) <= jails
    with pytest.raises(SandboxError, match="have been closed"):
        sandboxes.open(world.spec(), world.data)


def test_closing_the_provider_ends_calls_under_way(world: World) -> None:
    os.mkfifo(world.data / "begun")
    (world.data / "begun").chmod(0o666)
    sandboxes = provider(world.kind)
    sandbox = sandboxes.open(world.spec(), world.data)
    mounts = dict(
        line.split("=") for line in sandbox.call(ToolCall("mounted")).content.splitlines()
    )
    with ThreadPoolExecutor(1) as threads:
        hanging = threads.submit(
            sandbox.call, ToolCall("hang", {"text": f"{mounts['data']}/begun"})
        )
        (world.data / "begun").read_text()
        sandboxes.close()
        with pytest.raises(SandboxError):
            hanging.result(timeout=30)


def test_servers_that_nobody_uses_are_kept_up_to_a_number(data: Path) -> None:
    spec = SandboxSpec(toolsets=("probe_toolset",))
    with closing(provider("none", max_idle=1)) as sandboxes:
        before = set(descendants("self"))
        opened = [sandboxes.open(spec, data) for _ in range(2)]
        for sandbox in opened:
            sandbox.close()
        assert len(set(descendants("self")) - before) == 1


def test_the_directory_of_a_server_that_died_is_removed(world: World, own_home: Path) -> None:
    jails = own_home / "cache" / "jails"
    with world.probe() as probe:
        assert probe("data") == "hello"
        with pytest.raises(SandboxError):
            probe("die")
        assert len(list(jails.glob("*/*/data/hello"))) == 1
    assert not list(jails.glob("*/*/data/hello"))


def test_what_a_killed_host_left_on_disk_is_removed_by_the_next(own_home: Path) -> None:
    jails = own_home / "cache" / "jails"
    code = "import os, fleetgym.sandboxes as s; s.provider('none'); os.kill(os.getpid(), 9)"
    before = set(jails.glob("*"))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    left = set(jails.glob("*")) - before

    with closing(provider("none")):
        assert left
        assert not left & set(jails.glob("*"))
        assert before <= set(jails.glob("*"))


@pytest.mark.parametrize(
    ("toolset", "reason"),
    [
        pytest.param("broken_toolset", "No module named 'no_such_module_anywhere'", id="import"),
        pytest.param("threaded_toolset", "threaded_toolset has started 1 threads", id="thread"),
        pytest.param("unopened_toolset", "the index is gone", id="open"),
    ],
)
def test_a_toolset_that_fails_says_why(world: World, toolset: str, reason: str) -> None:
    with pytest.raises(SandboxError, match=reason), world.probe(toolset=toolset):
        pass


def test_data_that_is_not_there_is_told(world: World, tmp_path: Path) -> None:
    with (
        pytest.raises(SandboxError, match="could not be given the files"),
        world.probe(tmp_path / "nowhere"),
    ):
        pass


FORGETFUL = """
import gymnasium, fleetgym
env = gymnasium.make("test/Tiny-v1", sandbox="none")
env.reset(seed=0)
print("the end")
"""


def test_a_script_that_closes_nothing_ends_without_a_word(own_home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORGETFUL], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "the end\n", "")
    assert not [*own_home.glob("cache/jails/*/*")]
