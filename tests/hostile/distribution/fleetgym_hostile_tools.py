"""Tools that execute what they are sent: in processes of their own, or in the tool server itself."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleetgym.contracts.errors import ToolError
from fleetgym.contracts.sandbox import Limits, ToolFunction
from fleetgym.contracts.tools import ToolSpec

HIDDEN: frozenset[str] = frozenset()
PRELOAD: tuple[str, ...] = ()


def _spec(name: str, what: str) -> ToolSpec:
    return ToolSpec(
        name=name,
        description=what,
        parameters={
            "type": "object",
            "properties": {"code": {"type": "string"}},
            "required": ["code"],
            "additionalProperties": False,
        },
    )


SPECS = (
    _spec("possess", "Execute Python in the tool server: what a hole in a toolset would allow."),
    _spec("python", "Execute Python in a process of its own."),
    _spec("bash", "Execute a command."),
)


def open_toolset(mounts: Mapping[str, Path], limits: Limits) -> Mapping[str, ToolFunction]:
    # Ahead of the alarm, which would leave the process running.
    seconds = 0.8 * limits.call_seconds
    most = limits.output_bytes

    def run(*command: str) -> str:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.stdout.close()
            process.wait()
            raise ToolError(f"stopped after {seconds:g} s") from None
        text = said[:most].decode(errors="replace")
        return f"{text}\n[exit {process.returncode}]"

    def possess(code: str) -> str:
        said = io.StringIO()
        space: dict[str, Any] = {"mounts": mounts, "print": lambda *a: print(*a, file=said)}  # noqa: T201
        try:
            exec(code, space)
        except Exception as error:  # noqa: BLE001
            said.write(f"{type(error).__name__}: {error}")
        return said.getvalue()

    def python(code: str) -> str:
        return run(sys.executable, "-I", "-c", code)

    def bash(code: str) -> str:
        return run("/bin/bash", "-c", code)

    return {"possess": possess, "python": python, "bash": bash}
