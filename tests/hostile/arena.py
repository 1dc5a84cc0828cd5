"""A real lane, the hostile agent's side of HTTP, and the honest run beside it."""

from __future__ import annotations

import http.client
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fleetgym import home
from fleetgym.contracts.record import RunKey, RunRecord
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.policy.driver import play
from fleetgym.records.store import read_one
from fleetgym_env_cti_realm.expert import CtiExpert

HERE = Path(__file__).parent
SCENARIO = "hostile/linux-cron-persistence"
PATIENCE_S = 60
FIRST_S = 300
"""For a lane's first words and first episode: indexes may have to be made, on a busy machine."""

CANARY = "canary-7f3a91"
"""Stands in a file and in the environment of the lane, and may come out nowhere."""


NOTHING = {"sigma_rule": "title: x", "kql_query": "print 1", "query_results": [{"x": 1}]}
"""An artifact that is accepted and earns nothing."""


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def content(self) -> str:
        """A tool's result."""
        return str(self.json["content"])


class Episode:
    """One open run, as its agent sees it."""

    def __init__(self, lane: LaneProcess, run_id: str, url: str, token: str) -> None:
        self.lane = lane
        self.run_id = run_id
        self.token = token
        self.address = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        self.path = urlsplit(url).path

    def ask(
        self,
        path: str,
        body: Any = None,
        *,
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; a body of text or bytes goes as it is, any other as JSON."""
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE_S)
        sent = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
        own = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            connection.request(
                method or ("GET" if body is None else "POST"),
                path if path.startswith(("//", "/r")) else self.path + path,
                sent,
                own if headers is None else dict(headers),
            )
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode(errors="replace"))
        finally:
            connection.close()

    def call(self, name: str, /, **arguments: Any) -> Answer:
        return self.ask(f"/tools/{name}", {"arguments": arguments})

    def replay(self, calls: Sequence[ToolCall]) -> None:
        """Make honest calls."""
        for call in calls:
            answer = self.call(call.name, **call.arguments)
            assert answer.status == 200, answer.text

    def record(self) -> RunRecord:
        """Wait for the end of the run and return what was written about it."""
        ended = self.lane.told(self.run_id)
        assert ended["kind"] == "finished", ended
        return read_one(self.lane.out / "records" / f"{self.run_id}.json.gz")

    def give_up(self) -> RunRecord:
        """Hand in something that earns nothing by itself."""
        answer = self.ask("/submit", {"artifact": NOTHING})
        assert answer.json["over"], answer.text
        return self.record()

    def leave(self) -> None:
        """Go, in whatever state the run is; it ends by itself."""
        if self.lane.nothing_told(self.run_id):
            self.ask("/submit", {"artifact": NOTHING})
        self.lane.told(self.run_id)


class LaneProcess:
    """A lane in a process of its own."""

    def __init__(self, kind: str, out: Path) -> None:
        self.kind = kind
        self.out = out
        paths = [str(HERE / "distribution"), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, HERE / "lane_process.py", out, kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                "FLEETGYM_CANARY": CANARY,
            },
        )
        self._told: dict[str, queue.Queue[dict[str, Any]]] = {}
        self._count = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def open(self, *, steps: int = 60, model_calls: int = 20, seconds: float = 240.0) -> Episode:
        """Begin a run, which is another one each time."""
        self._count += 1
        key = RunKey(
            framework="external",
            framework_version="0",
            topology="single",
            scenario=SCENARIO,
            scenario_version=1,
            condition="clean",
            model="policy/expert",
            seed=3,
            grader="cti/strict",
            parameters={"visit": self._count},
            budget={
                "steps": steps,
                "model_calls": model_calls,
                "tokens": 50_000,
                "seconds": seconds,
            },
        )
        self._told[key.run_id] = queue.Queue()
        assert self._process.stdin is not None
        self._process.stdin.write(key.model_dump_json() + "\n")
        self._process.stdin.flush()
        told = self.told(key.run_id)
        assert told["kind"] == "open", told
        return Episode(self, key.run_id, told["url"], told["token"])

    def told(self, run_id: str) -> dict[str, Any]:
        """Return the next that the lane says about a run."""
        return self._told[run_id].get(timeout=FIRST_S)

    def nothing_told(self, run_id: str) -> bool:
        """Return whether there is nothing new of a run: it may go on."""
        return self._told[run_id].empty()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def resident_bytes(self) -> int:
        """Return what the lane's process, without its sandboxes, has in memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        """Return how many files and sockets it holds open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def close(self) -> int:
        """End it; return its exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        code = self._process.wait(PATIENCE_S)
        self._reader.join()
        self._process.stdout.close()
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            self._told[told["run_id"]].put(told)


def expert_calls(episode: Episode) -> list[ToolCall]:
    """Let the expert play, and return what it did."""
    made: list[ToolCall] = []

    def call(asked: ToolCall) -> ToolResult:
        made.append(asked)
        answer = episode.call(asked.name, **asked.arguments).json
        return ToolResult(answer["content"], is_error=answer["is_error"])

    brief = episode.ask("/brief").json
    play(CtiExpert(), f"{brief['system']}\n\n{brief['task']}", call)
    return made


class Arena:
    """A lane, what an honest agent does in it, and what that earns."""

    def __init__(
        self, lane: LaneProcess, calls: Sequence[ToolCall], undisturbed: RunRecord
    ) -> None:
        self.lane = lane
        self.calls = calls
        self.undisturbed = undisturbed
        """The record of the honest run with nobody beside it."""
        (self.read_a_report,) = (c for c in calls if c.name == "get_cti_reports_by_tag")
        self.file = lane.out / "host-file"
        self.file.write_text(CANARY)
        self.places = {
            "{file}": str(self.file),
            "{runs}": str(lane.out),
            "{record}": str(lane.out / "records" / f"{undisturbed.run_id}.json.gz"),
            "{home}": str(home.home()),
            "{repository}": str(HERE.parents[1]),
            "{lane}": str(lane.pid),
        }
        self.earned = self.visit().give_up().score

    def visit(self, **budget: Any) -> Episode:
        """Open a run and earn something in it: its agent becomes hostile after that."""
        episode = self.lane.open(**budget)
        episode.replay([self.read_a_report])
        return episode

    def filled(self, attack: str) -> str:
        """Return an attack with the paths of this machine."""
        for name, path in self.places.items():
            attack = attack.replace(name, path)
        return attack
