"""The general tools, in every kind of sandbox."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from fleetgym.contracts.sandbox import Limits, Sandbox, SandboxProvider, SandboxSpec
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.sandboxes import provider
from fleetgym.toolserver.telemetry import DATABASE

MIB = 1024**2
LIMITS = Limits(
    call_seconds=20, cpus=1, scratch_bytes=8 * MIB, memory_bytes=512 * MIB, processes=16
)
SPEC = SandboxSpec(toolsets=("fleetgym.toolserver.shell",), limits=LIMITS)


class Shell:
    """An open sandbox with the two tools."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def __call__(self, command: str, seconds: float | None = None) -> ToolResult:
        """Run a command of bash's."""
        return self._call("bash", "command", command, seconds)

    def python(self, code: str, seconds: float | None = None) -> ToolResult:
        return self._call("python", "code", code, seconds)

    def _call(self, tool: str, name: str, source: str, seconds: float | None) -> ToolResult:
        timeout = {} if seconds is None else {"timeout_seconds": seconds}
        return self.sandbox.call(ToolCall(tool, {name: source, **timeout}))


@pytest.fixture(scope="module", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEETGYM_HOME", str(tmp_path_factory.mktemp("home")))
        yield


DOCKER = pytest.param("docker", marks=pytest.mark.docker)


@pytest.fixture(scope="module", params=["local", DOCKER, "none"])
def sandboxes(request: pytest.FixtureRequest, own_home: None) -> Iterator[SandboxProvider]:
    """Every kind."""
    yield from provided(request)


@pytest.fixture(scope="module", params=["local", DOCKER])
def isolating(request: pytest.FixtureRequest, own_home: None) -> Iterator[SandboxProvider]:
    """The kinds that isolate."""
    yield from provided(request)


def provided(request: pytest.FixtureRequest) -> Iterator[SandboxProvider]:
    if request.param == "docker":
        request.getfixturevalue("docker_daemon")
    with closing(provider(request.param)) as opened:
        yield opened


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "hello").write_text("world\n")
    return tmp_path / "data"


@contextmanager
def opened(sandboxes: SandboxProvider, data: Path, **limits: float) -> Generator[Shell]:
    spec = replace(SPEC, limits=replace(LIMITS, **limits))
    with closing(sandboxes.open(spec, data)) as sandbox:
        yield Shell(sandbox)


@pytest.fixture
def shell(sandboxes: SandboxProvider, data: Path) -> Iterator[Shell]:
    with opened(sandboxes, data) as one:
        yield one


@pytest.fixture
def isolated(isolating: SandboxProvider, data: Path) -> Iterator[Shell]:
    with opened(isolating, data) as one:
        yield one


def running(shell: Shell, pattern: str) -> str:
    """Return the command lines in the sandbox that match."""
    listing = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '"
    return shell(f"{listing} | grep -oE '{pattern}'").content


def test_both_streams_come_in_order_and_the_exit_code_last(shell: Shell) -> None:
    assert shell("echo out; echo err >&2; echo out; exit 3") == ToolResult(
        "out\nerr\nout\n[exit code 3]"
    )
    assert shell.python("import sys\nprint(1)\nprint(2, file=sys.stderr)\nprint(3)") == ToolResult(
        "1\n2\n3\n[exit code 0]"
    )


def test_files_persist_between_calls_of_an_episode_and_nothing_else_does(
    sandboxes: SandboxProvider, data: Path
) -> None:
    with opened(sandboxes, data) as shell:
        shell("mkdir -p d; cd d; export X=1; echo kept > ../file")
        assert shell('cat file; echo "$X"; basename "$PWD"').content == (
            "kept\n\nscratch\n[exit code 0]"
        )
        assert shell.python("print(open('file').read(), end='')").content == "kept\n[exit code 0]"
    with opened(sandboxes, data) as shell:
        assert shell("ls -A").content == "[exit code 0]"


def test_the_tasks_files_are_where_a_variable_says(shell: Shell) -> None:
    assert shell('cat "$MOUNT_DATA/hello"').content == "world\n[exit code 0]"


def test_there_is_no_input(shell: Shell) -> None:
    assert shell("cat; read line; echo $?").content == "1\n[exit code 0]"
    assert "EOFError" in shell.python("input()").content


def test_a_late_call_is_killed_with_all_it_started_and_says_what_it_had_written(
    shell: Shell,
) -> None:
    late = shell("echo begun; (trap '' TERM; setsid sleep 61358) & sleep 61358", 0.5)
    assert late == ToolResult(
        "begun\n[killed, with all that it had started: it took longer than 0.5 s]", is_error=True
    )
    assert running(shell, "sleep 6135[8]") == "[exit code 1]"


def test_the_sandboxs_own_limit_is_the_most(sandboxes: SandboxProvider, data: Path) -> None:
    with opened(sandboxes, data, call_seconds=0.5) as shell:
        assert "it took longer than 0.5 s" in shell("sleep 600", 10**400).content
        assert "it took longer than 0.5 s" in shell("sleep 600").content
        assert shell("echo on").content == "on\n[exit code 0]"


@pytest.mark.parametrize(
    "leave",
    [
        "sleep 61357 &",
        "setsid sleep 61357 & disown",
        "set -m; sleep 61357 & disown; nohup sleep 61357 >/dev/null 2>&1 &",
        "(while :; do :; done) &",
        "python3 -c 'import os; os.setsid(); os.fork() or os.system(\"sleep 61357\")'",
    ],
)
def test_what_a_call_leaves_in_the_background_ends_with_it(shell: Shell, leave: str) -> None:
    assert shell(f"{leave}\necho done").content.endswith("done\n[exit code 0]")
    assert running(shell, "sleep 6135[7]|while :[;]") == "[exit code 1]"


def test_of_long_output_the_middle_is_cut_and_the_text_says_how_much(
    sandboxes: SandboxProvider, data: Path
) -> None:
    with opened(sandboxes, data, output_bytes=4096) as shell:
        content = shell("seq 1 100000").content
    assert len(content.encode()) <= 4096
    head, note, tail = re.split(r"\n(\[\.\.\. .*\.\.\.\])\n", content)
    assert head.startswith("1\n2\n3\n")
    assert tail.endswith("99999\n100000\n[exit code 0]")
    found = re.match(r"\[\.\.\. (\d+) of 588895 bytes \((\d+) lines\) are cut", note)
    assert found is not None
    kept = head + tail.removesuffix("[exit code 0]")
    assert int(found[1]) == 588895 - len(kept)
    assert int(found[2]) == 100000 - kept.count("\n")
    assert "sed -n" in note


def test_binary_output_is_printable_and_stays_within_the_limit(
    sandboxes: SandboxProvider, data: Path
) -> None:
    with opened(sandboxes, data, output_bytes=4096) as shell:
        assert shell(r"printf 'a\0b\033[31m\377\n\303\251\n'").content == (
            "a\\x00b\\x1b[31m\\xff\né\n[exit code 0]"
        )
        content = shell("head -c 100000 /dev/zero").content
        assert len(content.encode()) <= 4096
        assert re.sub(r"\[\.\.\..*?\.\.\.\]|\[exit code 0\]|\s|\\x00", "", content) == ""


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        pytest.param("bash", {"command": "x\0y"}, id="null"),
        pytest.param("bash", {"command": 1}, id="type"),
        pytest.param("python", {"code": "#" * 100_001}, id="long"),
        pytest.param("bash", {"command": "true", "timeout_seconds": 0}, id="no time"),
        pytest.param("bash", {"command": "true", "timeout_seconds": "1"}, id="time's type"),
    ],
)
def test_a_wrong_call_is_refused(
    tool: str, arguments: dict[str, str | float], shell: Shell
) -> None:
    result = shell.sandbox.call(ToolCall(tool, arguments))
    assert result.is_error
    assert "The argument" in result.content


def test_a_program_killed_by_a_signal_says_which(shell: Shell) -> None:
    assert shell("kill -SEGV $$").content == "[killed by signal 11]"


FORK_BOMB = ":(){ :|:& };:; sleep 600"
PYTHON_FORK_BOMB = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        pass
"""
THREAD_BOMB = """
import threading, time
threading.stack_size(65536)
for _ in range(3000):
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
time.sleep(600)
"""
MEMORY_BOMB = """
import os, time
os.fork(), os.fork()
block = os.urandom(2**20) * 200
time.sleep(600)
"""
MANY_FILES = "import itertools\nfor n in itertools.count(): open(f'f{n}', 'w').close()"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param(PYTHON_FORK_BOMB, "more than 16 processes", id="forks"),
        pytest.param(THREAD_BOMB, "more than 64 threads|can't start new thread", id="threads"),
        pytest.param(MEMORY_BOMB, "more than 512 MiB of memory", id="memory of many"),
        pytest.param("x = b'x' * 2**30", "MemoryError", id="memory of one"),
        pytest.param("open('f', 'wb').write(bytes(9 * 2**20))", "File too large", id="one file"),
        pytest.param(
            "for n in range(9): open(f'{n}', 'wb').write(bytes(2**20))", "No space left", id="disk"
        ),
        pytest.param("open('/dev/shm/x', 'wb')", "Read-only file system|No such file", id="shm"),
        pytest.param("open('/tmp/x', 'wb')", "Read-only file system|No such file", id="tmp"),
        pytest.param(
            "import sys\nwhile True: sys.stdout.write('x' * 2**16)", "bytes of output", id="flood"
        ),
        # Docker has the limit in the file system.
        pytest.param(MANY_FILES, "more than 2048 files|No space left", id="inodes"),
        pytest.param("import os; os.memfd_create('x')", "Function not implemented", id="memfd"),
        pytest.param("[open('/dev/null') for _ in range(300)]", "Too many open files", id="files"),
    ],
)
def test_a_bomb_goes_off_within_its_limit_and_the_episode_goes_on(
    isolated: Shell, code: str, said: str
) -> None:
    assert re.search(said, isolated.python(code, 20).content)
    assert isolated("rm -rf *; echo goes on").content == "goes on\n[exit code 0]"


def test_a_fork_bomb_without_a_sandbox_is_ended_too(shell: Shell) -> None:
    assert "more than 16 processes" in shell(FORK_BOMB, 20).content
    assert shell("echo goes on").content == "goes on\n[exit code 0]"


HARM = {
    "kill": "os.kill({pid}, 9)",
    "kill the group": "os.kill(-os.getpgid({pid}), 9)",
    "kill all": "os.kill(-1, 9)",
    "stop": "os.kill({pid}, 19)",
    "by descriptor": "signal.pidfd_send_signal(os.pidfd_open({pid}), 9)",
    "thread": "libc.syscall(200, {pid}, 9) and fail()",
    "queue": "libc.sigqueue({pid}, 9, None) and fail()",
    "own a file": "fcntl.fcntl(0, fcntl.F_SETOWN, {pid})",
    "limit": "resource.prlimit({pid}, resource.RLIMIT_NOFILE, (0, 0))",
    "priority": "os.setpriority(os.PRIO_PROCESS, {pid}, 19)",
    "scheduler": "os.sched_setscheduler({pid}, os.SCHED_IDLE, os.sched_param(0))",
    "trace": "libc.ptrace(16, {pid}, 0, 0) and fail()",
    "memory": "open('/proc/{pid}/mem', 'wb')",
    "environment": "open('/proc/{pid}/environ', 'rb')",
    "pipes": "open('/proc/{pid}/fd/1', 'wb')",
    "settings": "open('/proc/{pid}/oom_score_adj', 'w')",
    "more settings": "open('/proc/{pid}/autogroup', 'w')",
}
TRY_HARM = """
import ctypes, fcntl, os, resource, signal
libc = ctypes.CDLL(None, use_errno=True)
def fail():
    raise OSError(ctypes.get_errno(), "refused")
for pid in {pids}:
    try:
        {harm}
    except (PermissionError, ProcessLookupError):
        continue
    except OSError as error:
        if error.errno in (30, 38):  # read-only, no such system call
            continue
        raise
    print("done to", pid)
"""


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_a_tool_cannot_touch_the_processes_around_it(isolated: Shell, harm: str) -> None:
    around = "[int(p) for p in os.listdir('/proc') if p.isdecimal() and int(p) != os.getpid()]"
    code = TRY_HARM.replace("{pids}", around).replace("{harm}", harm.replace("{pid}", "pid"))
    code = code.replace("'/proc/pid/", "f'/proc/{pid}/")
    assert isolated.python(code).content == "[exit code 0]"
    assert isolated("echo goes on").content == "goes on\n[exit code 0]"


def test_a_tool_can_forge_no_result(isolated: Shell) -> None:
    forged = '{"jsonrpc": "2.0", "id": 2, "result": {"content": [], "isError": false}}'
    said = isolated(
        f"for f in /proc/[0-9]*/fd/* /dev/fd/*; do echo '{forged}' > $f; done 2>/dev/null; echo end"
    )
    assert said.content.endswith("end\n[exit code 0]")
    assert isolated("echo true").content == "true\n[exit code 0]"


def test_a_tool_keeps_to_its_processors(shell: Shell) -> None:
    code = (
        "import os; os.sched_setaffinity(0, range(os.cpu_count())); print(os.sched_getaffinity(0))"
    )
    assert re.fullmatch(r"\{\d+\}\n\[exit code 0\]", shell.python(code).content)


def test_a_call_cannot_lock_the_next_one_out(shell: Shell) -> None:
    shell("touch file; chmod 0 .")
    assert shell("ls").content == "file\n[exit code 0]"


def test_queries_are_answered_whatever_a_tool_tries_to_end(
    sandboxes: SandboxProvider, data: Path
) -> None:
    with duckdb.connect(str(data / DATABASE)) as database:
        database.execute("CREATE TABLE Seen AS SELECT 42 AS Answer")
    toolsets = ("fleetgym.toolserver.telemetry", *SPEC.toolsets)
    query = ToolCall("execute_sql_query", {"query": "SELECT Answer FROM Seen"})
    # DuckDB does not start reliably in half a gigabyte of address space.
    spec = replace(SPEC, toolsets=toolsets, limits=replace(LIMITS, memory_bytes=2048 * MIB))
    with closing(sandboxes.open(spec, data)) as sandbox:
        before = sandbox.call(query)
        # Only those around it: without a sandbox, it sees the host's.
        end = (
            "for p in $(cat /proc/$PPID/task/*/children) $PPID; do [ $p = $$ ] || kill -9 $p; done"
        )
        refused = Shell(sandbox)(f"{end}; kill -9 -$PPID; true")
        assert refused.content.count("Operation not permitted") >= 2
        assert sandbox.call(query) == before
    assert "[[42]]" in before.content


def test_a_tool_signals_its_own_processes_as_it_likes(shell: Shell) -> None:
    assert shell("sleep 600 & kill $!; wait $!; echo $?").content == "143\n[exit code 0]"
    assert shell("timeout 0.1 sleep 600; echo $?").content == "124\n[exit code 0]"
