"""The tool server's first process, inside the sandbox: warm, single-threaded, and forked from.

    python -m fleetgym.toolserver.main [--isolated] [--path DIR]… TOOLSET…

It imports what its toolsets need and then waits on standard input. Between episodes it is told,
one JSON object a line, what to do and answers in the same way on standard output:

    {"open": {"mounts": {…}, "limits": {…}}}   a child opens the toolsets   -> {"opened": true}
    (the child now speaks MCP on the same two pipes, until it reads {"close": true})
                                               the child is gone            -> {"closed": status}

Whatever an episode leaves behind, processes and files, is gone before ``closed`` is answered.
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
import signal
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]

_CHUNK = 65536


def main() -> None:
    """Serve episodes until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--isolated", action="store_true", help="in a process namespace of its own")
    parser.add_argument(
        "--path", action="append", default=[], help="where toolsets are imported from"
    )
    parser.add_argument("toolsets", nargs="+")
    options = parser.parse_args()
    sys.path.extend(options.path)
    wire = _take_standard_streams()
    for name in options.toolsets:
        toolset = importlib.import_module(name)
        for module in toolset.PRELOAD:
            importlib.import_module(module)
        # Optional: what imports leave undone until first use, for example building a grammar.
        getattr(toolset, "warm", lambda: None)()
    importlib.import_module("fleetgym.toolserver.session")
    # What is warm is never garbage; left to the collector, each child would copy all of it.
    gc.freeze()
    os.write(wire[1], _line({"ready": True, "threads": _threads()}))
    while (asked := _read_line(wire[0])) is not None:
        os.write(wire[1], _line({"closed": _episode(asked["open"], options, wire)}))


def _take_standard_streams() -> tuple[int, int]:
    """Return private ends of the two pipes: what a tool prints must not get among the answers."""
    wire = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return wire


def _episode(asked: dict[str, Any], options: argparse.Namespace, wire: tuple[int, int]) -> int:
    scratch = Path(os.environ["TMPDIR"])
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setpgid(0, 0)
            os.chdir(scratch)
            _limit(asked["limits"])
            session = importlib.import_module("fleetgym.toolserver.session")
            session.serve(options.toolsets, asked["mounts"], asked["limits"], wire)
            status = 0
        finally:
            os._exit(status)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)
    _, status = os.waitpid(child, 0)
    _clear_processes(child, isolated=options.isolated)
    _clear_files(scratch)
    return os.waitstatus_to_exitcode(status)


def _limit(limits: dict[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits["open_files"], limits["open_files"]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits["scratch_bytes"], limits["scratch_bytes"]))


def _clear_processes(child: int, *, isolated: bool) -> None:
    """Kill what the episode started: all there is in a namespace of our own, else its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if isolated:
            os.kill(-1, signal.SIGKILL)
        else:
            os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _clear_files(scratch: Path) -> None:
    for path in scratch.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _read_line(descriptor: int) -> dict[str, Any] | None:
    """Return the next object; nothing beyond its line is read, for that is the child's."""
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


def _line(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer).encode() + b"\n"


def _threads() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())


if __name__ == "__main__":
    main()
