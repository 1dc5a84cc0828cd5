"""The warm process of one framework: imports it once, and forks a process for each run.

It imports and never runs: a fork inherits locks and loops that a run has left behind, without the
threads that would release them. It forks from one thread only, for the same reason. A framework
whose imports start threads is not imported here; its runs import for themselves (*cold*).

Lanes connect to a unix socket and speak one JSON document a line. They are greeted with the
versions of what is measured: a socket alone may be that of a process that is about to die.

    {"do": "run", "id": 1, "job": {...}}     answered by {"id": 1, "pid": 4711}
    {"do": "kill", "id": 1}                  not answered
    and, once the run's process is gone,     {"id": 1, "exit": {...}}

A lane that hangs up takes its runs with it; so does the runner, by closing the standard input.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetgym.worker.child import OUTPUT, Job, run_child
from fleetgym.worker.processes import adopt_orphans, end_children

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fleetgym.contracts.framework import Framework
    from fleetgym.worker.scout import Scout

__all__ = ["Zygote"]

_TAIL = 2000


@dataclass(slots=True, eq=False)
class _Client:
    """A lane."""

    socket: socket.socket
    unread: bytes = b""
    runs: dict[int, _Run] = field(default_factory=dict[int, "_Run"])

    def tell(self, **content: Any) -> None:
        with contextlib.suppress(OSError):
            self.socket.sendall(json.dumps(content).encode() + b"\n")


@dataclass(slots=True, eq=False, kw_only=True)
class _Run:
    """A forked process."""

    id: int
    client: _Client
    pid: int
    pidfd: int
    report: int
    home: Path
    said: bytes = b""


class Zygote:
    """Serves lanes until its standard input ends."""

    def __init__(
        self,
        framework: Framework,
        *,
        environment: Mapping[str, str],
        path: Path,
        scout: Scout,
    ) -> None:
        """Listen on a unix socket.

        Args:
            framework: Imported, if it can be forked from.
            environment: The plugin's variables, for each run's process.
            path: Of the socket.
            scout: Learns what runs import beyond that.
        """
        self._framework = framework
        self._environment = environment
        self._versions = dict(framework.versions())
        self._scout = scout
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._clients: set[_Client] = set()
        self._stopped = False

    def serve(self) -> None:
        """Do what lanes ask until the standard input ends; kill what is left then."""
        adopt_orphans()
        self._watch(self._listener, self._welcome)
        self._watch(sys.stdin.fileno(), self._stop)
        try:
            while not self._stopped:
                for key, _ in self._selector.select():
                    # An earlier event of this round may have closed it, and reused its number.
                    if self._selector.get_map().get(key.fd) == key:
                        key.data()
        finally:
            for client in list(self._clients):
                self._leave(client)

    def _watch(self, source: Any, action: Callable[[], None]) -> None:
        self._selector.register(source, selectors.EVENT_READ, action)

    def _stop(self) -> None:
        self._stopped = True

    def _welcome(self) -> None:
        client = _Client(self._listener.accept()[0])
        self._clients.add(client)
        client.tell(versions=self._versions)
        self._watch(client.socket, lambda: self._hear(client))

    def _hear(self, client: _Client) -> None:
        try:
            heard = client.socket.recv(1 << 20)
        except OSError:
            heard = b""
        if not heard:
            self._leave(client)
            return
        *lines, client.unread = (client.unread + heard).split(b"\n")
        for line in lines:
            asked = json.loads(line)
            if asked["do"] == "run":
                self._fork(client, asked["id"], Job(**asked["job"]))
            elif (run := client.runs.get(asked["id"])) is not None:
                os.kill(run.pid, signal.SIGKILL)

    def _leave(self, client: _Client) -> None:
        for run in list(client.runs.values()):
            os.kill(run.pid, signal.SIGKILL)
            self._bury(run)
        self._selector.unregister(client.socket)
        client.socket.close()
        self._clients.discard(client)

    def _fork(self, client: _Client, identity: int, job: Job) -> None:
        self._scout.import_learned()
        report, report_to = os.pipe()
        # What is alive now is for all: moved out of the collector's sight, it stays shared.
        gc.freeze()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            run_child(self._framework, self._environment, job, report_to, parent)
        os.close(report_to)
        run = _Run(
            id=identity,
            client=client,
            pid=pid,
            pidfd=os.pidfd_open(pid),
            report=report,
            home=Path(job.home),
        )
        client.runs[identity] = run
        self._watch(run.report, lambda: self._read(run))
        self._watch(run.pidfd, lambda: self._bury(run))
        client.tell(id=identity, pid=pid)

    def _read(self, run: _Run) -> None:
        said = os.read(run.report, 1 << 20)
        run.said += said
        if not said:
            self._selector.unregister(run.report)

    def _bury(self, run: _Run) -> None:
        """Reap a process that has ended or been killed, with all that it left behind."""
        _, status, usage = os.wait4(run.pid, 0)
        run.client.runs.pop(run.id)
        end_children(spared={r.pid for client in self._clients for r in client.runs.values()})
        self._drain(run)
        report = _parse(run.said)
        self._scout.learn(report.get("imported", ()))
        code = os.waitstatus_to_exitcode(status)
        error = report.get("error")
        if not report and code != -signal.SIGKILL:
            error = _last_words(run.home / OUTPUT)
        run.client.tell(
            id=run.id,
            exit={
                "versions": self._versions,
                "closing_text": report.get("closing_text", ""),
                "error": error,
                "exit_code": code if code >= 0 else None,
                "signal": -code if code < 0 else None,
                "cpu_s": usage.ru_utime + usage.ru_stime,
                "peak_memory_bytes": usage.ru_maxrss * 1024,
            },
        )

    def _drain(self, run: _Run) -> None:
        if run.report in self._selector.get_map():
            os.set_blocking(run.report, False)
            with contextlib.suppress(BlockingIOError):
                while said := os.read(run.report, 1 << 20):
                    run.said += said
            self._selector.unregister(run.report)
        self._selector.unregister(run.pidfd)
        os.close(run.report)
        os.close(run.pidfd)


def _parse(said: bytes) -> dict[str, Any]:
    try:
        return json.loads(said)
    except ValueError:
        return {}


def _last_words(output: Path) -> str:
    """Return the end of what a process printed that ended without a report."""
    try:
        said = output.read_text(errors="replace")[-_TAIL:].strip()
    except OSError:
        said = ""
    return f"The process ended without a report. {said}".rstrip()
