"""The tool server's first process, inside the sandbox: warm, single-threaded, and forked from.

    python -m fleetgym.toolserver.main [--isolated] TOOLSET…

It imports what its toolsets need and then waits on standard input. Between episodes it is told,
one JSON object a line, what to do and answers in the same way on standard output:

    {"open": {"mounts": {…}, "limits": {…}}}   a child is forked            -> {"key": key}
                                               which opens the toolsets     -> {"opened": true}
    (the child now speaks MCP on the same two pipes, until it reads {"close": true})
                                               the child is gone            -> {"closed": status,
                                                                                "by": key}

The key tells the host who speaks: a child that was taken over may say that it is gone, and stay to
serve another episode. It is drawn when the child has its own memory, and cannot be read back.

Whatever an episode leaves behind, processes and files, is gone before ``closed`` is answered; when
that cannot be done, the server ends.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import resource
import select
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from fleetgym.toolserver.confinement import confine_server
from fleetgym.toolserver.processes import Offspring, end_with_parent

__all__ = ["main"]

_Wire: TypeAlias = tuple[int, int]
_CHUNK = 65536


def main() -> None:
    """Serve episodes until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--isolated", action="store_true", help="in a process namespace of its own")
    parser.add_argument("toolsets", nargs="+")
    options = parser.parse_args()
    # Imports leave nothing to collect; looking for it takes a quarter of the start.
    gc.disable()
    wire = _take_standard_streams()
    confine_server()  # where it is not possible, `fleetgym doctor` says so
    offspring = Offspring(isolated=options.isolated)
    for name in options.toolsets:
        _warm(name)
    importlib.import_module("fleetgym.toolserver.session").warm()
    # What is warm is never garbage; left to the collector, each child would copy all of it.
    gc.freeze()
    _tell(wire, {"ready": True})
    with contextlib.suppress(BrokenPipeError):  # the host is gone
        while (asked := _read_line(wire[0])) is not None:
            _tell(wire, _episode(asked["open"], options.toolsets, offspring, wire))


def _take_standard_streams() -> _Wire:
    """Return private ends of the two pipes: what a tool prints must not get among the answers."""
    wire = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return wire


def _warm(name: str) -> None:
    toolset = importlib.import_module(name)
    for module in toolset.PRELOAD:
        importlib.import_module(module)
    # Optional: what imports leave undone until first use, for example building a grammar.
    getattr(toolset, "warm", lambda: None)()
    threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    if threads > 1:
        sys.exit(
            f"{name} has started {threads - 1} threads before an episode, which no fork would "
            "have. PRELOAD and warm() may only import and compute; open_toolset may start threads."
        )


def _episode(
    asked: dict[str, Any], toolsets: list[str], offspring: Offspring, wire: _Wire
) -> dict[str, Any]:
    """Fork a child that serves an episode; return what to say when it has been cleared away."""
    scratch = Path(os.environ["TMPDIR"])
    server = os.getpid()
    child = os.fork()
    if child == 0:
        _serve(asked, toolsets, wire, scratch, server)
    key = os.urandom(16).hex()
    _tell(wire, {"key": key})
    try:
        code = offspring.wait_for(child, max_processes=asked["limits"]["processes"])
    finally:
        offspring.end()
    _clear(scratch)
    return {"closed": code, "by": key}


def _serve(
    asked: dict[str, Any], toolsets: list[str], wire: _Wire, scratch: Path, server: int
) -> NoReturn:
    """Be the process of one episode."""
    code = 1
    try:
        end_with_parent(server)
        gc.enable()
        os.chdir(scratch)
        _limit(asked["limits"])
        session = importlib.import_module("fleetgym.toolserver.session")
        session.serve(toolsets, asked["mounts"], asked["limits"], wire)
        code = 0
    except BaseException:  # noqa: BLE001 - shown to the host, whatever it was
        traceback.print_exc()
    finally:
        os._exit(code)


def _limit(limits: dict[str, Any]) -> None:
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_FSIZE, limits["scratch_bytes"]),
    ):
        resource.setrlimit(kind, (most, most))
    # Above what the warm server has mapped. A toolset may give its workers a limit of their own,
    # so only the soft one is set.
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    space = pages * resource.getpagesize() + limits["memory_bytes"]
    resource.setrlimit(resource.RLIMIT_AS, (space, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _clear(scratch: Path) -> None:
    for path in scratch.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if any(scratch.iterdir()):
        sys.exit("An episode has left files behind that cannot be removed.")


def _read_line(descriptor: int) -> dict[str, Any] | None:
    """Return the next object, or None at the end; the host sends no more before an answer."""
    data = b""
    while not data.endswith(b"\n"):
        # The child shares the pipe and made it non-blocking.
        select.select([descriptor], [], [])
        try:
            piece = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            continue
        if not piece:
            return None
        data += piece
    return json.loads(data)


def _tell(wire: _Wire, answer: dict[str, Any]) -> None:
    os.write(wire[1], json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
