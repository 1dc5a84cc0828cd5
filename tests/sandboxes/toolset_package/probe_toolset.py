"""Tools that try things, for the tests of the sandboxes."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from fleetgym.contracts.errors import ToolError
from fleetgym.contracts.sandbox import Limits, ToolFunction
from fleetgym.contracts.tools import ToolSpec

_TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}

SPECS = tuple(
    ToolSpec(name=name, description=f"Tries to {name}.", parameters=_TEXT)
    for name in (
        "echo",
        "refuse",
        "break_down",
        "sleep",
        "print_much",
        "read",
        "write",
        "environ",
        "connect",
        "import_module",
        "leave_process",
        "processes",
        "die",
        "say",
    )
)
HIDDEN = frozenset({"say"})
PRELOAD = ("json",)


def open_toolset(  # noqa: C901 - a flat list of small tools
    mounts: Mapping[str, Path], limits: Limits
) -> Mapping[str, ToolFunction]:
    def refuse(text: str = "") -> str:
        raise ToolError(f"no {text}")

    def break_down(text: str = "") -> str:
        raise RuntimeError(text)

    def sleep(text: str) -> str:
        time.sleep(float(text))
        return "awake"

    def read(text: str) -> str:
        path = Path(text)
        if not path.is_absolute():
            path = mounts["data"] / path
        try:
            return (
                "\n".join(sorted(p.name for p in path.iterdir()))
                if path.is_dir()
                else path.read_text()
            )
        except OSError as error:
            raise ToolError(str(error.strerror)) from error

    def write(text: str) -> str:
        try:
            Path(text).write_text("x")
        except OSError as error:
            raise ToolError(str(error.strerror)) from error
        return "written"

    def environ(text: str = "") -> str:
        seen = [" ".join(f"{k}={v}" for k, v in os.environ.items())]
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                seen.append(path.read_text())
            except OSError:
                continue
        return "\n".join(seen)

    def connect(text: str) -> str:
        host, _, port = text.partition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=2):
                return "connected"
        except OSError as error:
            raise ToolError(str(error)) from error

    def import_module(text: str) -> str:
        try:
            return str(importlib.import_module(text).__name__)
        except ImportError as error:
            raise ToolError(str(error)) from error

    def leave_process(text: str = "") -> str:
        code = "import time; time.sleep(60)"
        child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        return str(child.pid)

    def processes(text: str = "") -> str:
        return str(sum(path.name.isdecimal() for path in Path("/proc").iterdir()))

    def die(text: str = "") -> str:
        os._exit(3)

    def say(text: str = "") -> str:
        print("printed by a tool")  # noqa: T201 - that is what is tried
        return text

    return {
        "echo": lambda text="": text,
        "refuse": refuse,
        "break_down": break_down,
        "sleep": sleep,
        "print_much": lambda text: "é" * int(text),
        "read": read,
        "write": write,
        "environ": environ,
        "connect": connect,
        "import_module": import_module,
        "leave_process": leave_process,
        "processes": processes,
        "die": die,
        "say": say,
    }
