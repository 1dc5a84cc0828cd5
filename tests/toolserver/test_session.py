"""The tool server as any client of MCP would meet it, without a host of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fleetgym.contracts.sandbox import Limits

OPEN = {"mounts": {}, "limits": asdict(Limits())}


class Server:
    """A process of the tool server, spoken to in lines of JSON."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def say(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def ask(self, number: int, method: str, **params: Any) -> Any:
        self.say({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        answer = self.hear()
        assert answer["id"] == number
        return answer["result"]


@contextmanager
def started(scratch: Path, *toolsets: str) -> Generator[Server]:
    command = [sys.executable, "-m", "fleetgym.toolserver.main", *toolsets]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(scratch), "OPENBLAS_NUM_THREADS": "1"},
    ) as process:
        server = Server(process)
        assert server.hear() == {"ready": True}
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(tmp_path_factory.mktemp("scratch"), "fleetgym.toolserver.trials") as one:
        yield one


@contextmanager
def episode(server: Server) -> Generator[Server]:
    server.say({"open": OPEN})
    told = {**server.hear(), **server.hear()}  # by two processes, in either order
    assert told == {"opened": True, "key": told["key"]}
    yield server
    server.say({"close": True})
    assert server.hear() == {"closed": 0, "by": told["key"]}


def shake_hands(server: Server) -> Any:
    answer = server.ask(
        1,
        "initialize",
        protocolVersion="2025-06-18",
        capabilities={},
        clientInfo={"name": "test", "version": "1"},
    )
    server.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
    return answer


def test_one_server_serves_one_episode_after_the_other(server: Server) -> None:
    for _ in range(3):
        with episode(server):
            assert shake_hands(server)["serverInfo"]["name"] == "fleetgym"


def test_tools_are_listed_with_their_schemas(server: Server) -> None:
    with episode(server):
        shake_hands(server)
        (tool,) = server.ask(2, "tools/list")["tools"]

    assert tool["name"] == "try_everything"
    assert tool["inputSchema"] == {"type": "object"}
    assert tool["annotations"]["destructiveHint"] is False


def test_a_line_that_is_no_message_is_survived(server: Server) -> None:
    with episode(server):
        shake_hands(server)
        assert server.process.stdin is not None
        server.process.stdin.write("no JSON\n")
        server.process.stdin.flush()
        result = server.ask(3, "tools/call", name="nothing", arguments={})

    assert result["isError"] is True
    assert result["content"] == [{"type": "text", "text": "There is no tool 'nothing'."}]


def test_a_server_ends_with_its_input(tmp_path: Path) -> None:
    with started(tmp_path, "fleetgym.toolserver.trials") as server:
        server.say({"open": OPEN})
        server.hear()
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert server.process.wait(timeout=30) == 0
