"""The process that executes queries, and its keeper."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fleetgym.contracts.errors import SandboxError, ToolError
from fleetgym.toolserver.query_process import Handler, QueryProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MIB = 1024**2


def _never_end() -> str:
    while True:
        pass


def _fail() -> str:
    raise KeyError("x")


def _refuse() -> str:
    raise ToolError("Try another one.")


def _errno(deed: Callable[[], object]) -> str:
    try:
        return f"done: {deed()}"
    except OSError as error:
        return str(error.strerror)


def _thread() -> str:
    said: list[str] = []
    thread = threading.Thread(target=said.append, args=["started"])
    thread.start()
    thread.join()
    return said[0]


def _handler() -> Handler:
    deeds: dict[str, Callable[[], str]] = {
        "pid": lambda: str(os.getpid()),
        "never end": _never_end,
        "eat": lambda: str(len(bytearray(1024 * MIB))),
        "crash": lambda: str(os.kill(os.getpid(), signal.SIGSEGV)),
        "raise": _fail,
        "refuse": _refuse,
        "shout": lambda: "x" * (32 * MIB),
        "signal": lambda: _errno(lambda: os.kill(os.getppid(), 0)),
        "fork": lambda: _errno(os.fork),
        "execute": lambda: _errno(lambda: os.execv("/bin/true", ["true"])),
        "connect": lambda: _errno(socket.socket),
        "thread": _thread,
        "descriptors": lambda: json.dumps([p.name for p in Path("/proc/self/fd").iterdir()]),
    }

    def answer(request: Mapping[str, Any]) -> str:
        return json.dumps(request) if request["do"] == "echo" else deeds[request["do"]]()

    return answer


@pytest.fixture
def process() -> Iterator[QueryProcess]:
    opened = _open(_handler)
    yield opened
    opened.close()


def _open(handler: Callable[[], Handler]) -> QueryProcess:
    return QueryProcess(handler, memory_bytes=256 * MIB, call_seconds=2)


def test_a_request_and_its_answer_travel_whole(process: QueryProcess) -> None:
    request = {"do": "echo", "text": "ü\n" * 100_000}
    assert json.loads(process.call(request)) == request


def test_calls_share_one_executor_so_that_it_stays_warm(process: QueryProcess) -> None:
    assert process.call({"do": "pid"}) == process.call({"do": "pid"})


def test_a_refusal_reaches_the_agent_word_for_word(process: QueryProcess) -> None:
    with pytest.raises(ToolError, match=r"^Try another one\.$"):
        process.call({"do": "refuse"})


@pytest.mark.parametrize(
    ("request_", "advice"),
    [
        pytest.param("never end", "stopped after 2 seconds", id="late"),
        pytest.param("eat", "too large to run in 256 MiB", id="too large"),
        pytest.param("crash", "too large to run", id="crashed"),
        pytest.param("shout", "too large to run", id="answer too large"),
        pytest.param("raise", "failed on this call: KeyError", id="defect"),
    ],
)
def test_a_query_that_goes_wrong_is_a_tool_error_and_the_next_call_works(
    request_: str, advice: str, process: QueryProcess
) -> None:
    with pytest.raises(ToolError, match=advice):
        process.call({"do": request_})
    assert process.call({"do": "echo"}) == '{"do": "echo"}'


def test_a_call_cut_short_by_an_alarm_leaves_no_answer_for_the_next(
    process: QueryProcess,
) -> None:
    class Alarm(BaseException):
        pass

    def ring(*_: object) -> None:
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    with pytest.raises(Alarm):
        process.call({"do": "never end"})
    signal.signal(signal.SIGALRM, before)
    assert process.call({"do": "echo"}) == '{"do": "echo"}'


def test_an_executor_that_is_killed_from_outside_is_replaced(process: QueryProcess) -> None:
    os.kill(int(process.call({"do": "pid"})), signal.SIGKILL)
    with pytest.raises(ToolError):
        process.call({"do": "pid"})
    assert process.call({"do": "pid"})


def test_an_executor_holds_none_of_its_parents_descriptors() -> None:
    read, write = os.pipe()
    process = _open(_handler)
    held = json.loads(process.call({"do": "descriptors"}))
    process.close()
    os.close(read)
    os.close(write)
    # Standard streams, its channel, and the listing itself.
    assert len(held) == 5


@pytest.mark.parametrize("deed", ["signal", "fork", "execute", "connect"])
def test_an_executor_that_a_query_has_taken_over_can_start_and_reach_nothing(
    process: QueryProcess, deed: str
) -> None:
    assert process.call({"do": deed}) == "Operation not permitted"


def test_an_engine_may_have_threads(process: QueryProcess) -> None:
    assert process.call({"do": "thread"}) == "started"


def test_an_engine_that_cannot_start_voids_the_run_instead_of_blaming_the_agent() -> None:
    def broken() -> Handler:
        raise OSError("no such file")

    process = _open(broken)
    with pytest.raises(SandboxError, match="cannot start: OSError: no such file"):
        process.call({"do": "pid"})
    process.close()


def test_after_closing_every_process_is_gone_and_a_call_is_the_sandboxs_failure(
    process: QueryProcess,
) -> None:
    executor = int(process.call({"do": "pid"}))
    process.close()
    process.close()
    assert not Path(f"/proc/{executor}").exists()
    with pytest.raises(SandboxError):
        process.call({"do": "pid"})
