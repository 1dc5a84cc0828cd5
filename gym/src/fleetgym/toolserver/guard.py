"""Starts a server that is not ours, and holds it to an episode's limits.

    python -m fleetgym.toolserver.guard [--isolated] LIMITS -- COMMAND…

The server gets the standard streams as they are. When it ends, or takes too much, or the host goes,
all that it has started is ended.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import sys
import threading
from typing import NoReturn

from fleetgym.toolserver.confinement import confine_server
from fleetgym.toolserver.processes import Offspring, end_with_parent
from fleetgym.toolserver.usage import descendants, memory_of

__all__ = ["main"]

_LOOK_S = 0.1
_CANNOT_START = 127


def main() -> None:
    """Run the command until it ends; exit as it did."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--isolated", action="store_true", help="in a process namespace of its own")
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--memory", type=int, required=True, help="bytes, of all together")
    parser.add_argument("--open-files", type=int, required=True)
    parser.add_argument("--file-bytes", type=int, required=True, help="of one file")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    confine_server()
    offspring = Offspring(isolated=options.isolated)
    guard = os.getpid()
    server = os.fork()
    if server == 0:
        _become(options.command, guard, options.open_files, options.file_bytes)
    try:
        watching = threading.Thread(
            target=_watch, args=(guard, options.processes, options.memory), daemon=True
        )
        watching.start()
        code = offspring.wait_for(server, max_processes=options.processes)
    finally:
        offspring.end()
    sys.exit(code if code >= 0 else 128 - code)


def _become(command: list[str], guard: int, open_files: int, file_bytes: int) -> NoReturn:
    try:
        end_with_parent(guard)
        for kind, most in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_NOFILE, open_files),
            (resource.RLIMIT_FSIZE, file_bytes),
        ):
            resource.setrlimit(kind, (most, most))
        os.chdir(os.environ["TMPDIR"])
        os.environ.pop("PYTHONPATH", None)  # ours, not the server's
        os.execvp(command[0], command)  # noqa: S606 - a shell is what it must not go through
    except BaseException as error:  # noqa: BLE001 - shown to the host, whatever it was
        os.write(2, f"{command[0]!r} cannot be started: {error}\n".encode())
    finally:
        os._exit(_CANNOT_START)


def _watch(guard: int, processes: int, memory: int) -> None:
    """Kill the server when all below the guard takes more than it may.

    Memory is what is in use, not address space: some runtimes reserve far more than they use.
    """
    pause = threading.Event()
    while not pause.wait(_LOOK_S):
        found = list(descendants(guard))
        excess = (
            f"more than {processes} processes"
            if len(found) > processes
            else f"more than {memory} bytes of memory"
            if memory_of(found, enough=memory) > memory
            else ""
        )
        if excess:
            os.write(2, f"{excess}\n".encode())
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)


if __name__ == "__main__":
    main()
