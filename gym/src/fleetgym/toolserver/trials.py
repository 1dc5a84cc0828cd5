"""A toolset of one tool, which tries what no sandbox may let happen.

What it finds is shown to the operator as "An agent gets …".
"""

from __future__ import annotations

import ctypes
import errno
import importlib.util
import json
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgym.contracts.tools import ToolSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fleetgym.contracts.sandbox import Limits, ToolFunction
    from fleetgym.toolserver.shell_call import Ended

__all__ = ["HIDDEN", "PRELOAD", "SPECS", "open_toolset"]

HIDDEN = frozenset({"try_everything"})
PRELOAD: tuple[str, ...] = ()
SPECS = (
    ToolSpec(
        name="try_everything",
        description="Say what of the host can be reached, as JSON: a list for each promise.",
        parameters={"type": "object"},
    ),
)


def open_toolset(mounts: Mapping[str, Path], limits: Limits) -> Mapping[str, ToolFunction]:
    """Return the tool."""
    programs = _Programs(limits)

    def try_everything(
        files: list[str],
        packages: list[str],
        port: int,
        variables: list[str],
        process_namespace: int,
    ) -> str:
        shared = os.stat("/proc/self/ns/pid").st_ino == process_namespace  # noqa: PTH116
        return json.dumps(
            {
                "the host's files are hidden": [path for path in files if Path(path).exists()],
                "only scratch space can be written": _writable(mounts["data"]),
                "the ground truth is hidden": [n for n in packages if _importable(n)],
                "there is no network": [f"port {port}"] if _connects(port) else [],
                "the host's processes are hidden": ["them"] if shared else [],
                "the host's environment is hidden": [n for n in variables if n in os.environ],
                "there are no privileges": _privileges(),
                "system calls that no tool needs are refused": _system_calls(),
                "tools cannot disturb the tool server": _disturbs(programs, shared=shared),
                "memory is limited in total": programs.unless_killed(_MEMORY, "memory"),
                "processes are limited": programs.unless_killed(_PROCESSES, "processes"),
                "scratch space is limited": _scratch(limits),
            }
        )

    return {"try_everything": try_everything}


_UNFILTERED = "them (filters are for x86-64 and 64-bit Arm, on a kernel with CONFIG_SECCOMP_FILTER)"
_FOUR_PROCESSES = "import os, time; os.fork(); os.fork()"
_MEMORY = f"{_FOUR_PROCESSES}; data = os.urandom(2**20) * 64; time.sleep(60)"
_PROCESSES = f"{_FOUR_PROCESSES}; os.fork(); os.fork(); time.sleep(60)"
_DISTURB = """
import os
def can(try_it):
    try:
        try_it()
    except OSError:
        return False
    return True
for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()):
    if pid != os.getpid():
        if can(lambda: os.kill(pid, 0)):
            print(f"signals to process {pid}")
        if can(lambda: os.open(f"/proc/{pid}/fd/1", os.O_WRONLY | os.O_NONBLOCK)):
            print(f"the output of process {pid}")
"""


class _Programs:
    """Runs programs as an agent's are run, within smaller limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = replace(limits, memory_bytes=160 * 1024**2, processes=8)

    def run(self, code: str) -> Ended:
        from fleetgym.toolserver.shell_call import run  # noqa: PLC0415 - of no use to SPECS

        return run(
            (sys.executable, "-I", "-S", "-c", code),
            environment={"PATH": os.environ["PATH"]},
            scratch=Path(os.environ["TMPDIR"]),
            seconds=self._limits.call_seconds / 3,
            limits=self._limits,
        )

    def unless_killed(self, code: str, limit: str) -> list[str]:
        """Return that ``limit`` was not kept, or nothing."""
        broke = self.run(code).broke
        return [] if limit in broke else [f"any number of bytes or processes ({broke or 'ended'})"]


def _system_calls() -> list[str]:
    refused = ctypes.CDLL(None, use_errno=True).unshare(0) != 0
    return [] if refused and ctypes.get_errno() == errno.EPERM else [_UNFILTERED]


def _disturbs(programs: _Programs, *, shared: bool) -> list[str]:
    if shared:
        return ["all processes of the host"]  # nothing to try with them
    ended = programs.run(_DISTURB)
    return ended.output.splitlines() if ended.code == 0 else [f"an unknown result ({ended})"]


def _scratch(limits: Limits) -> list[str]:
    half = bytes(limits.scratch_bytes // 2 + 1)
    files = [Path(os.environ["TMPDIR"], name) for name in ("first", "second")]
    try:
        for file in files:
            file.write_bytes(half)
    except OSError:
        return []
    finally:
        for file in files:
            file.unlink(missing_ok=True)
    return ["more scratch space than its limit"]


def _writable(data: Path) -> list[str]:
    places = (Path("/"), Path("/dev/shm"), Path("/usr/lib"), Path(__file__).parent, data)  # noqa: S108
    return [str(place) for place in places if os.access(place, os.W_OK)]


def _importable(package: str) -> bool:
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None  # an empty directory has none


def _connects(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _privileges() -> Iterable[str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    values = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    gained = values["NoNewPrivs"] == "0"
    return [f"CapEff {values['CapEff']}"] * (int(values["CapEff"], 16) != 0) + ["new ones"] * gained
