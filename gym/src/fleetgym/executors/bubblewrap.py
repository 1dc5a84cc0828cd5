"""``local``: the warm process in namespaces by bubblewrap, each of its runs in others by itself.

What is seen inside: system libraries, the plugin's Python, its packages and its source, all of it
read-only; and one directory that the warm process and the runner share, which runs do not see.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgym import home
from fleetgym.executors.host_process import HostProcess
from fleetgym.executors.launch import ENVIRONMENT, worker_arguments
from fleetgym.executors.python_files import python_files
from fleetgym.sandboxes.bubblewrap import NAMESPACES, find_bubblewrap, host_files
from fleetgym.sandboxes.imports import find_imports
from fleetgym.worker.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fleetgym.executors.launch import Process
    from fleetgym.registry import RegisteredFramework
    from fleetgym.sandboxes.imports import Imports

__all__ = ["HOME", "Bubblewrap"]

HOME = "/fleetgym/home"
_PLACE = "/fleetgym/place"
_CACHE = f"{_PLACE}/imports"
_ZYGOTE_HOME_BYTES = 64 << 20

# Over the namespaces that it makes for its runs, and over nothing else: see worker/namespaces.py.
_CAPABILITIES = ("CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SETPCAP")


class Bubblewrap:
    """Launches warm processes with one bubblewrap."""

    kind = "local"
    private_network = True

    def __init__(self, program: str = "", limits: Limits | None = None) -> None:
        """Look for a bubblewrap that works.

        Raises:
            MissingDependency: There is none.
        """
        self._program = program or find_bubblewrap()
        self._limits = limits or Limits()
        self._single = False

    def single(self) -> bool:
        """Return whether this machine refused namespaces to a warm process."""
        return self._single

    def part_by_processes(self) -> None:
        """Give each run a bubblewrap of its own from now on."""
        self._single = True

    def facts(self, framework: RegisteredFramework) -> Mapping[str, str]:
        """There is nothing to tell."""
        del framework
        return {}

    async def launch(
        self, framework: RegisteredFramework, place: Path, log: Path, *, single: bool
    ) -> Process:
        """Start the plugin's interpreter inside."""
        cache = home.cache("imports") / framework.spec.name
        # Beside the place, which the warm process may write to.
        empty = place.with_suffix(".empty")
        for folder in (cache, empty):
            folder.mkdir(exist_ok=True)
        declared = framework.spec.environment.items()
        own = ["--single"] if single else ["--apart", "--hide", _PLACE]
        command = [
            *self._jail(python_files(framework), empty, parting=not single),
            *_variables({name: value.format(home=HOME) for name, value in declared}),
            *("--bind", str(place), _PLACE, "--dir", _CACHE),
            *("--ro-bind" if single else "--bind", str(cache), _CACHE, "--remount-ro", "/"),
            *(str(framework.python), *worker_arguments(framework, _PLACE, _CACHE), *own),
            *("--home", HOME, "--limits", json.dumps(asdict(self._limits))),
        ]
        return await HostProcess.start(framework, command, {}, directory=place, log=log)

    def parts_runs(self) -> str:
        """Return why a warm process cannot put its runs apart on this machine, or nothing."""
        with tempfile.TemporaryDirectory() as empty:
            command = [
                *self._jail(find_imports(()), Path(empty), parting=True),
                *_variables({"PYTHONPATH": os.pathsep.join(map(str, find_imports(()).roots))}),
                *("--dir", _PLACE, "--remount-ro", "/"),
                *(sys.executable, "-P", "-s", "-m", "fleetgym.worker", "part", "--home", HOME),
            ]
            done = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
        return done.stderr.strip() if done.returncode else ""

    def _jail(self, files: Imports, empty: Path, *, parting: bool) -> list[str]:
        """Return bubblewrap's flags, up to what may be written."""
        rights = [word for name in _CAPABILITIES for word in ("--cap-add", name)]
        return [
            *(self._program, *NAMESPACES, *(rights if parting else ("--as-pid-1",))),
            *host_files(files, empty),
            # Root could write to /proc/sys, as a user namespace does not change who it is to that.
            *("--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev", "--remount-ro", "/dev"),
            *("--size", str(_ZYGOTE_HOME_BYTES), "--tmpfs", HOME, "--chdir", HOME),
            *_variables({**ENVIRONMENT, "HOME": HOME, "TMPDIR": HOME}),
        ]


def _variables(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        yield from ("--setenv", name, value)
