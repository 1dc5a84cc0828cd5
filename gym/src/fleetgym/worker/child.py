"""One run: what a forked process does from its first instruction to its last."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from fleetgym.contracts.errors import EpisodeOver
from fleetgym.worker.http_episode import HttpEpisode
from fleetgym.worker.limits import Limits, limit
from fleetgym.worker.namespaces import enclose, listen
from fleetgym.worker.processes import adopt_orphans, allow_tracing, die_with_parent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.framework import Framework

__all__ = ["LISTENS", "Confines", "Job", "Report", "run_child"]

LISTENS = b"\n"
"""Comes with the socket that a run listens on, before the report."""

_MAX_TEXT = 100_000
_DEFAULTED = set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run, as its lane asks for it; JSON."""

    episode_url: str
    token: str = field(repr=False)
    topology: str
    parameters: Mapping[str, Any]
    home: str
    """An empty directory of the run's own; home, working directory and temporary directory. Not
    looked at where the worker has a home for its runs.
    """

    port: int = 0
    """Where the episode is, on a loopback address of the run's own: its process listens there, and
    the socket is handed to the lane. 0: the episode can be reached without.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Confines:
    """What the warm process has been started with for its runs."""

    home: Path | None = None
    """Of every run; there is something else in it for each."""

    apart: bool = False
    """Whether each run is put into namespaces of its own."""

    hidden: tuple[Path, ...] = ()
    """What the warm process sees and its runs do not."""

    limits: Limits | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run's process says of itself before it ends; JSON."""

    closing_text: str = ""
    error: str | None = None
    imported: tuple[str, ...] = ()
    """Modules that the run imported beyond what its parent had, in order."""


def run_child(
    framework: Framework,
    environment: Mapping[str, str],
    job: Job,
    confines: Confines,
    *,
    report_to: socket.socket,
    output: int,
    parent: int,
) -> NoReturn:
    """Make this freshly forked process the run's own, run the framework, report, and end.

    Args:
        framework: Has been imported and never run.
        environment: The plugin's variables; ``{home}`` stands for the run's home.
        job: What to run.
        confines: How far it is kept from everything else.
        report_to: Takes the socket that is listened on, where there is one, and the report.
        output: Takes what the framework prints.
        parent: Id of the process it was forked from, which may be gone by now, as it is seen here.
    """
    code = 70  # of a process that broke before it could say why
    try:
        os.setsid()
        allow_tracing(allowed=True)  # it looks into itself, through /proc
        die_with_parent(parent, signal.SIGKILL)
        adopt_orphans()
        report_to = _leave_parent(report_to, output)
        home = _confine(confines, job)
        if job.port:
            with listen(job.port) as listener:
                socket.send_fds(report_to, [LISTENS], [listener.fileno()])
        _settle(environment, home)
        had = set(sys.modules)
        report = _run(framework, job)
        imported = tuple(name for name in list(sys.modules) if name not in had)
        report_to.sendall(_encode({**asdict(report), "imported": imported}))
        code = 1 if report.error else 0
    except BaseException:  # noqa: BLE001 - nothing may return into the parent's frames
        traceback.print_exc()
    finally:
        _flush()
        # No interpreter shutdown: threads and handlers of frameworks can hang there.
        os._exit(code)


def _leave_parent(report_to: socket.socket, output: int) -> socket.socket:
    """Keep the report's socket as descriptor 3 and nothing else of the parent's."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    kept = report_to.detach()
    if kept != 3:
        os.dup2(kept, 3, inheritable=False)
    os.closerange(4, max(int(path.name) for path in Path("/proc/self/fd").iterdir()) + 1)
    signal.set_wakeup_fd(-1)
    for number in _DEFAULTED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return socket.socket(fileno=3)


def _confine(confines: Confines, job: Job) -> Path:
    """Leave what the run is not to reach, and return its home."""
    home = confines.home or Path(job.home)
    if confines.apart:
        enclose(home, confines.hidden, confines.limits or Limits())
    if confines.limits is not None:
        limit(confines.limits)
    return home


def _settle(environment: Mapping[str, str], home: Path) -> None:
    temporary = home / "tmp"
    temporary.mkdir()
    os.chdir(home)
    os.environ.update(HOME=str(home), TMPDIR=str(temporary))
    os.environ.update({name: value.format(home=home) for name, value in environment.items()})
    tempfile.tempdir = None


def _run(framework: Framework, job: Job) -> Report:
    try:
        episode = HttpEpisode(job.episode_url, job.token)
        said = framework.run(episode, job.topology, job.parameters)
    except EpisodeOver:
        return Report()
    except BaseException as error:  # noqa: BLE001 - SystemExit and the like are its end as well
        traceback.print_exc()
        return Report(error=_describe(error))
    return Report(closing_text=str(said)[:_MAX_TEXT])


def _describe(error: BaseException) -> str:
    """Return type, message and the place of the innermost frame."""
    text = "".join(traceback.format_exception_only(error)).strip()
    frames = traceback.extract_tb(error.__traceback__)
    if frames:
        place = Path(frames[-1].filename)
        text = f"{text} (in {place.parent.name}/{place.name}, line {frames[-1].lineno})"
    return text[:_MAX_TEXT]


def _encode(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told).encode(errors="replace")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
