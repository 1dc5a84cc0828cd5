"""The warm process of one framework: imports it once, and forks a process for each run.

It imports and never runs: a fork inherits locks and loops that a run has left behind, without the
threads that would release them. It forks from one thread only, for the same reason. A framework
whose imports start threads is not imported here; its runs import for themselves (*cold*).

Lanes connect to a unix socket and speak one JSON document a line. They are greeted with the
versions of what is measured: a socket alone may be that of a process that is about to die.

    {"do": "run", "id": 1, "job": {...}}     answered by {"id": 1, "pid": 4711}
    {"do": "kill", "id": 1}                  not answered
    if the job has a port, with a socket:    {"id": 1, "listens": true}
    and, once the run's process is gone,     {"id": 1, "exit": {...}}

The socket listens on the loopback address of the run's own network namespace: the lane's server
accepts on it, and is all of the world that the run can reach.

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
from typing import TYPE_CHECKING, Any, cast

from fleetgym.worker.child import LISTENS, Confines, Job, run_child
from fleetgym.worker.limits import LOOK_S, excesses, own_memory
from fleetgym.worker.processes import adopt_orphans, allow_tracing, end_children, end_others

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from fleetgym.contracts.framework import Framework
    from fleetgym.worker.namespaces import Forker
    from fleetgym.worker.scout import Scout

__all__ = ["Zygote"]

_TAIL = 2000
_MAX_REPORT = 4 << 20


@dataclass(slots=True, eq=False)
class _Client:
    """A lane."""

    socket: socket.socket
    unread: bytes = b""
    runs: dict[int, _Run] = field(default_factory=dict[int, "_Run"])

    def tell(self, **content: Any) -> None:
        with contextlib.suppress(OSError):
            self.socket.sendall(json.dumps(content).encode() + b"\n")

    def hand_over(self, descriptor: int, **content: Any) -> None:
        with contextlib.suppress(OSError):
            line = json.dumps(content).encode() + b"\n"
            socket.send_fds(self.socket, [line], [descriptor])


@dataclass(slots=True, eq=False, kw_only=True)
class _Run:
    """A forked process."""

    id: int
    client: _Client
    pid: int
    pidfd: int
    report: socket.socket
    output: int
    silent: bool
    """Whether it has yet to say that it listens."""

    said: bytes = b""
    ended_for: str = ""
    """Why it was killed, when it took more than it may."""


class Zygote:
    """Serves lanes until its standard input ends."""

    def __init__(
        self,
        framework: Framework,
        *,
        environment: Mapping[str, str],
        path: Path,
        scout: Scout,
        confines: Confines,
        forker: Forker | None = None,
        single: bool = False,
    ) -> None:
        """Listen on a unix socket.

        Args:
            framework: Imported, if it can be forked from.
            environment: The plugin's variables, for each run's process.
            path: Of the socket.
            scout: Learns what runs import beyond that.
            confines: What each run is kept to.
            forker: Puts each run into a process namespace of its own.
            single: End after one run.
        """
        self._framework = framework
        self._environment = environment
        self._versions = dict(framework.versions())
        self._scout = scout
        self._confines = confines
        self._forker = forker
        self._single = single
        # The first process of a namespace, with one run: whatever else is in there is the run's.
        self._alone = single and os.getpid() == 1
        self._own_memory = 0
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        # Whoever may enter the directory may connect: in a container we are somebody else.
        path.chmod(0o666)
        self._listener.listen(64)
        self._clients: set[_Client] = set()
        self._stopped = False

    def serve(self) -> None:
        """Do what lanes ask until the standard input ends; kill what is left then."""
        adopt_orphans()
        if self._alone:
            # Its run is in the same namespace, and must not stop who watches over it.
            allow_tracing(allowed=False)
        self._watch(self._listener, self._welcome)
        self._watch(sys.stdin.fileno(), self._stop)
        try:
            while not self._stopped:
                for key, _ in self._selector.select(self._patience()):
                    # An earlier event of this round may have closed it, and reused its number.
                    if self._selector.get_map().get(key.fd) == key:
                        key.data()
                self._look()
        finally:
            for client in list(self._clients):
                self._leave(client)

    def _watch(self, source: Any, action: Callable[[], object]) -> None:
        self._selector.register(source, selectors.EVENT_READ, action)

    def _runs(self) -> dict[int, _Run]:
        return {run.pid: run for client in self._clients for run in client.runs.values()}

    def _patience(self) -> float | None:
        return LOOK_S if self._confines.limits is not None and self._runs() else None

    def _look(self) -> None:
        """End the runs that have taken more than they may."""
        runs, limits = self._runs(), self._confines.limits
        if limits is None or not runs:
            return
        for pid, why in excesses(set(runs), limits, own_bytes=self._own_memory).items():
            runs[pid].ended_for = why
            self._kill(runs[pid])

    def _kill(self, run: _Run) -> None:
        if self._alone:
            # At once: a process that only forks would outrun whoever kills one after the other.
            os.kill(-1, signal.SIGKILL)
        else:
            os.kill(run.pid, signal.SIGKILL)

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
        report, report_to = socket.socketpair()
        output = os.memfd_create("output")
        # What is alive now is for all: moved out of the collector's sight, it stays shared.
        gc.freeze()
        self._own_memory = own_memory()
        parent = os.getpid()
        pid = os.fork() if self._forker is None else self._forker.fork()
        if pid == 0:
            run_child(
                self._framework,
                self._environment,
                job,
                self._confines,
                report_to=report_to,
                output=output,
                # From inside a process namespace of its own nothing above can be seen.
                parent=parent if self._forker is None else 0,
            )
        report_to.close()
        run = _Run(
            id=identity,
            client=client,
            pid=pid,
            pidfd=os.pidfd_open(pid),
            report=report,
            output=output,
            silent=bool(job.port),
        )
        client.runs[identity] = run
        self._watch(run.report, lambda: self._read(run))
        self._watch(run.pidfd, lambda: self._bury(run))
        client.tell(id=identity, pid=pid)

    def _read(self, run: _Run) -> bool:
        """Take in what a run says; return whether there may be more."""
        if run.silent:
            said, descriptors, _, _ = socket.recv_fds(run.report, len(LISTENS), 1)
            for descriptor in descriptors:
                run.client.hand_over(descriptor, id=run.id, listens=True)
                os.close(descriptor)
            run.silent = False
        else:
            said = run.report.recv(1 << 20)
            run.said += said
        if len(run.said) > _MAX_REPORT:
            run.said, run.ended_for = b"", "The run reported more than is taken, and was ended."
            self._kill(run)
        if not said or run.ended_for:
            self._selector.unregister(run.report)
            return False
        return True

    def _bury(self, run: _Run) -> None:
        """Reap a process that has ended or been killed, with all that it left behind."""
        _, status, usage = os.wait4(run.pid, 0)
        run.client.runs.pop(run.id)
        if self._alone:
            end_others()
        elif self._forker is None:
            end_children(spared=self._runs())
        self._drain(run)
        report = _parse(run.said)
        self._scout.learn(report["imported"])
        code = os.waitstatus_to_exitcode(status)
        error = run.ended_for or report["error"]
        if not error and not run.said and code != -signal.SIGKILL:
            error = _last_words(run.output)
        os.close(run.output)
        run.client.tell(
            id=run.id,
            exit={
                "versions": self._versions,
                "closing_text": report["closing_text"],
                "error": error,
                "exit_code": code if code >= 0 else None,
                "signal": -code if code < 0 else None,
                "cpu_s": usage.ru_utime + usage.ru_stime,
                "peak_memory_bytes": usage.ru_maxrss * 1024,
            },
        )
        self._stopped |= self._single

    def _drain(self, run: _Run) -> None:
        if run.report in self._selector.get_map():
            run.report.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while self._read(run):
                    pass
            with contextlib.suppress(KeyError):
                self._selector.unregister(run.report)
        self._selector.unregister(run.pidfd)
        run.report.close()
        os.close(run.pidfd)


def _parse(said: bytes) -> dict[str, Any]:
    """Return a report. What does not look like one is none: a run may say anything."""
    try:
        report = json.loads(said)
    except (ValueError, RecursionError):
        report = None
    told = cast("dict[str, Any]", report if isinstance(report, dict) else {})
    imported, error = told.get("imported"), told.get("error")
    return {
        "closing_text": str(told.get("closing_text", "")),
        "error": error if error is None else str(error),
        "imported": list(map(str, cast("list[Any]", imported)))
        if isinstance(imported, list)
        else [],
    }


def _last_words(output: int) -> str:
    """Return the end of what a process printed that ended without a report."""
    size = os.fstat(output).st_size
    said = os.pread(output, _TAIL, max(0, size - _TAIL)).decode(errors="replace").strip()
    return f"The process ended without a report. {said}".rstrip()
