import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "containers"))

from docker_daemon import container_image, docker_daemon

__all__ = ["container_image", "docker_daemon"]

# A small environment, found through its entry point as anybody's is; by child processes too.
TINY = str(Path(__file__).parent / "tiny_distribution")
sys.path.insert(0, TINY)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [TINY, os.environ.get("PYTHONPATH")]))

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one worker at a time make images, and end containers and daemons."""
    for item in items:
        if item.get_closest_marker("docker") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group("docker"))


SUITE = """\
name: tiny
frameworks: [{frameworks}]
scenarios: ["tiny/*"]
models: [policy/expert]
seeds: {seeds}
reference: {reference}
{more}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Callable[..., Path]:
    def write(
        frameworks: str = "autogen", seeds: str = "0-1", reference: bool = False, more: str = ""
    ) -> Path:
        path = tmp_path / "suite.yaml"
        path.write_text(
            SUITE.format(
                frameworks=frameworks, seeds=seeds, reference=str(reference).lower(), more=more
            )
        )
        return path

    return write


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "fleetgym.cli", *map(str, arguments)]


@pytest.fixture
def fleetgym() -> Run:
    def run(
        *arguments: object, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, **(environment or {})},
        )

    return run


def _completion(body: dict[str, Any]) -> dict[str, Any]:
    """Look once, then submit what was seen, then say so: all that the tiny task takes."""
    results = [m["content"] for m in body["messages"] if m["role"] == "tool"]
    if not results:
        name, arguments = "look", {"place": "here"}
    elif len(results) == 1:
        name, arguments = "submit", {"answer": json.dumps({"number": int(results[0])})}
    else:
        name, arguments = "", {}
    message: dict[str, Any] = {"role": "assistant", "content": None if name else "Done."}
    if name:
        function = {"name": name, "arguments": json.dumps(arguments)}
        message["tool_calls"] = [
            {"id": f"c{len(results)}", "type": "function", "function": function}
        ]
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls" if name else "stop"}
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }


class _Provider(BaseHTTPRequestHandler):
    """A small OpenAI-compatible server."""

    keys: ClassVar[list[str]] = []
    released: ClassVar[threading.Event] = threading.Event()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.keys.append(self.headers["Authorization"])
        if body["model"] == "slow":
            self.released.wait(60)
        answer = json.dumps(_completion(body)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's
        """Say nothing."""


@pytest.fixture
def provider() -> Iterator[tuple[str, list[str]]]:
    _Provider.keys.clear()
    _Provider.released.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Provider)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1", _Provider.keys
    _Provider.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def slow_provider(provider: tuple[str, list[str]]) -> str:
    return provider[0]
