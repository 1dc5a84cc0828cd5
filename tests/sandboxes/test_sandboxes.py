import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fleetgym.contracts.errors import SandboxError, SpecError, UnknownName
from fleetgym.contracts.sandbox import Limits, Sandbox, SandboxProvider, SandboxSpec
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.sandboxes import check, provider

SPEC = SandboxSpec(toolsets=("probe_toolset",), limits=Limits(call_seconds=0.5, output_bytes=2000))

Try = Callable[..., ToolResult]


@pytest.fixture(scope="module")
def local() -> Iterator[SandboxProvider]:
    opened = provider("local")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def none() -> Iterator[SandboxProvider]:
    opened = provider("none")
    yield opened
    opened.close()


@pytest.fixture(params=["local", "none"])
def any_kind(request: pytest.FixtureRequest) -> SandboxProvider:
    return request.getfixturevalue(request.param)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "telemetry").write_text("rows")
    return folder


def attempt(sandbox: Sandbox, name: str, text: str | None = None) -> ToolResult:
    return sandbox.call(ToolCall(name, {} if text is None else {"text": text}))


def episode(opened: SandboxProvider, data: Path, name: str, text: str | None = None) -> ToolResult:
    sandbox = opened.open(SPEC, data)
    try:
        return attempt(sandbox, name, text)
    finally:
        sandbox.close()


def test_a_call_is_answered_and_a_wrong_one_refused(any_kind: SandboxProvider, data: Path) -> None:
    assert episode(any_kind, data, "echo", "ÿ\n€") == ToolResult("ÿ\n€")
    assert episode(any_kind, data, "refuse", "way") == ToolResult("no way", is_error=True)
    assert episode(any_kind, data, "nothing").is_error


def test_what_a_tool_prints_disturbs_nothing(any_kind: SandboxProvider, data: Path) -> None:
    assert episode(any_kind, data, "say", "quietly") == ToolResult("quietly")


def test_the_instances_data_is_there_and_that_of_the_last_episode_is_not(
    any_kind: SandboxProvider, data: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()

    assert episode(any_kind, data, "read", "telemetry") == ToolResult("rows")
    assert episode(any_kind, other, "read", "telemetry").is_error


def test_a_tool_that_breaks_voids_the_episode(any_kind: SandboxProvider, data: Path) -> None:
    with pytest.raises(SandboxError, match="a bug"):
        episode(any_kind, data, "break_down", "a bug")


def test_a_tool_that_takes_too_long_is_stopped_and_the_episode_goes_on(
    any_kind: SandboxProvider, data: Path
) -> None:
    sandbox = any_kind.open(SPEC, data)

    stopped = attempt(sandbox, "sleep", "30")
    after = attempt(sandbox, "echo", "still here")
    sandbox.close()

    assert stopped == ToolResult("sleep took longer than 0.5 s. Ask for less.", is_error=True)
    assert after == ToolResult("still here")


def test_a_result_that_is_too_long_is_cut_and_says_so(
    any_kind: SandboxProvider, data: Path
) -> None:
    result = episode(any_kind, data, "print_much", "5000")

    assert result.content.startswith("é" * 1000)
    assert result.content.endswith("[cut: 2000 of 10000 bytes are shown; ask for less]")


def test_a_server_that_dies_voids_its_episode_and_is_replaced(
    any_kind: SandboxProvider, data: Path
) -> None:
    with pytest.raises(SandboxError):
        episode(any_kind, data, "die")

    assert episode(any_kind, data, "echo", "another one") == ToolResult("another one")


def test_the_host_cannot_be_read(local: SandboxProvider, data: Path, tmp_path: Path) -> None:
    secret = tmp_path / "instance.json"
    secret.write_text("the truth")

    for path in ("/etc/shadow", "/etc/passwd", str(secret), str(Path.home() / ".ssh")):
        assert episode(local, data, "read", path).is_error


@pytest.mark.parametrize("package", ["fleetgym_env_cti_realm", "fleetgym_graders"])
def test_what_knows_the_answers_cannot_be_imported(
    local: SandboxProvider, data: Path, package: str
) -> None:
    assert episode(local, data, "import_module", package).is_error
    assert not episode(local, data, "import_module", "fleetgym.contracts").is_error


def test_a_toolset_of_a_package_that_knows_the_answers_is_refused(
    local: SandboxProvider, data: Path
) -> None:
    with pytest.raises(SpecError, match="knows the ground truth"):
        local.open(SandboxSpec(toolsets=("fleetgym_env_cti_realm.env",)), data)


def test_nothing_but_scratch_can_be_written(local: SandboxProvider, data: Path) -> None:
    sandbox = local.open(SPEC, data)

    written = {
        path: not attempt(sandbox, "write", path).is_error
        for path in ("/tmp/mine", "/data/telemetry", "/usr/mine", "/mine.txt")
    }
    sandbox.close()

    assert written["/tmp/mine"]
    assert not written["/data/telemetry"]
    assert not written["/usr/mine"]
    assert (data / "telemetry").read_text() == "rows"


def test_scratch_is_empty_when_an_episode_begins(local: SandboxProvider, data: Path) -> None:
    episode(local, data, "write", "/tmp/left")

    assert episode(local, data, "read", "/tmp") == ToolResult("")


def test_no_variable_of_the_host_can_be_seen(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-in-the-runner")
    opened = provider("local")

    seen = episode(opened, data, "environ").content
    opened.close()

    assert "sk-planted" not in seen
    assert "PATH=/usr/bin:/bin" in seen


def test_there_is_no_network(local: SandboxProvider, none: SandboxProvider, data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        assert episode(local, data, "connect", address).is_error
        assert episode(none, data, "connect", address) == ToolResult("connected")


def test_processes_that_an_episode_leaves_behind_are_gone_before_the_next(
    local: SandboxProvider, data: Path
) -> None:
    before = episode(local, data, "processes")
    episode(local, data, "leave_process")

    assert episode(local, data, "processes") == before


def test_episodes_of_several_threads_do_not_meet(any_kind: SandboxProvider, data: Path) -> None:
    barrier = threading.Barrier(4)

    def work(number: int) -> bool:
        sandbox = any_kind.open(SPEC, data)
        barrier.wait(timeout=60)
        answers = {attempt(sandbox, "echo", f"{number}-{i}").content for i in range(20)}
        sandbox.close()
        return answers == {f"{number}-{i}" for i in range(20)}

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(4)))


@pytest.mark.parametrize("kind", ["local", "none"])
def test_a_host_that_is_killed_leaves_no_process(kind: str, data: Path) -> None:
    code = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent / "toolset_package")!r})
from pathlib import Path
from fleetgym.contracts.sandbox import SandboxSpec
from fleetgym.sandboxes import provider
sandbox = provider({kind!r}).open(SandboxSpec(toolsets=("probe_toolset",)), Path({str(data)!r}))
print("open", flush=True)
time.sleep(600)
"""
    host = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert host.stdout is not None
    assert host.stdout.readline() == b"open\n"
    started = _descendants(host.pid)

    os.kill(host.pid, signal.SIGKILL)
    host.wait()
    host.stdout.close()

    assert started
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in started) and time.monotonic() < deadline:
        os.sched_yield()
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


def test_an_unknown_kind_is_told() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'local'"):
        provider("locl")


def test_this_machine_keeps_the_promises_of_the_local_sandbox() -> None:
    assert [promise for promise in check("local") if not promise.kept] == []
