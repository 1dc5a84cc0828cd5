"""A framework plugin that does as it is told, installed by nothing but a folder on a path."""

from __future__ import annotations

import sys
from pathlib import Path

from fleetgym.contracts.specs import FrameworkSpec
from fleetgym.registry import RegisteredFramework

_ENTRY_POINTS = "[fleetgym]\ntoy = toy_plugin\n"
_METADATA = "Metadata-Version: 2.1\nName: toy\nVersion: 7\n"

_PLUGIN = """
from fleetgym.contracts.specs import FrameworkSpec
from fleetgym.hookspecs import hookimpl

@hookimpl
def register_frameworks(register):
    register(FrameworkSpec(
        name="toy", entry_point="toy_framework:Toy", distributions=("toy",),
        topologies=("single",), summary="does as it is told",
        environment={"TOY_HOME": "{home}/toy"},
    ))
"""

_FRAMEWORK = """
import json, os, signal, subprocess, sys, threading, time

class Toy:
    name = "toy"
    topologies = ("single",)
    defaults = {"do": "obey"}

    def warm(self):
        import toy_warm

    def versions(self):
        return {"toy": "7"}

    def run(self, episode, topology, parameters):
        return getattr(self, parameters["do"])(episode)

    def obey(self, episode):
        first = episode.call("look", {"place": "nowhere"})
        assert first.is_error
        number = int(episode.call("look", {"place": "here"}).content)
        episode.submit({"number": number})
        return f"{first.content} Then {number}, submitted: {episode.submitted}."

    def go_on(self, episode):
        while True:
            episode.call("look", {"place": "here"})

    def leave(self, episode):
        return str(subprocess.Popen(["sleep", "600"], start_new_session=True).pid)

    def hang(self, episode):
        self.leave(episode)
        episode.call("look", {"place": "here"})
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        threading.Event().wait()

    def confess(self, episode):
        handled = [n for n in signal.valid_signals() if callable(signal.getsignal(n))]
        return json.dumps({
            "environment": dict(os.environ), "cwd": os.getcwd(), "handled": handled,
            "descriptors": sorted(map(int, os.listdir("/proc/self/fd"))), "leader": os.getsid(0),
            "pid": os.getpid(), "threads": threading.active_count(),
        })

    def fail(self, episode):
        raise ValueError("no idea")

    def exit(self, episode):
        sys.exit(0)

    def crash(self, episode):
        print("the last words", flush=True)
        os._exit(9)

    def import_late(self, episode):
        import toy_late
        return str(toy_late.PID == os.getpid())

    def burn(self, episode):
        kept = bytearray(64 << 20)
        end = time.process_time() + 0.2
        while time.process_time() < end:
            kept[0] ^= 1
        return "done"
"""


def install_toy(folder: Path, *, warm: str = "", late: str = "") -> RegisteredFramework:
    """Write the plugin into ``folder`` and return it.

    Args:
        folder: On no path yet.
        warm: Source of the module that is imported when it is warmed.
        late: Source of the module that one of its runs imports.
    """
    meta = folder / "toy-7.dist-info"
    meta.mkdir(parents=True)
    (meta / "METADATA").write_text(_METADATA)
    (meta / "entry_points.txt").write_text(_ENTRY_POINTS)
    (folder / "toy_plugin.py").write_text(_PLUGIN)
    (folder / "toy_framework.py").write_text(_FRAMEWORK)
    (folder / "toy_warm.py").write_text(warm)
    (folder / "toy_late.py").write_text(f"import os\nPID = os.getpid()\n{late}")
    return RegisteredFramework(
        spec=FrameworkSpec(
            name="toy",
            entry_point="toy_framework:Toy",
            distributions=("toy",),
            topologies=("single",),
            summary="does as it is told",
            environment={"PYTHONPATH": str(folder)},
        ),
        python=Path(sys.executable),
        versions={"toy": "7"},
        defaults={"do": "obey"},
    )
