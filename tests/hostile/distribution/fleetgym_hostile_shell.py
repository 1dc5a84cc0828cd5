"""Tools that run what they are sent in processes of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from fleetgym.contracts.errors import ToolError
from fleetgym.contracts.sandbox import Limits, ToolFunction
from fleetgym.contracts.tools import ToolSpec

HIDDEN: frozenset[str] = frozenset()
PRELOAD: tuple[str, ...] = ()


def _spec(name: str, argument: str) -> ToolSpec:
    return ToolSpec(
        name=name,
        description="Run it.",
        parameters={
            "type": "object",
            "properties": {argument: {"type": "string"}},
            "required": [argument],
            "additionalProperties": False,
        },
    )


SPECS = (_spec("python", "code"), _spec("bash", "command"))


def open_toolset(mounts: Mapping[str, Path], limits: Limits) -> Mapping[str, ToolFunction]:
    # Ahead of the alarm, which would leave the process running.
    seconds = 0.8 * limits.call_seconds
    output = Path(os.environ["TMPDIR"]) / ".output"

    def run(*command: str) -> str:
        with output.open("wb") as file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        late = False
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            late = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        with output.open("rb") as file:
            text = file.read(limits.output_bytes).decode(errors="replace")
        output.unlink()
        if late:
            raise ToolError(f"{text}\n[killed: {seconds:g} s are over]")
        return f"{text}\n[exit code {process.returncode}]"

    def python(code: str) -> str:
        return run(sys.executable, "-c", code)

    def bash(command: str) -> str:
        return run("/bin/bash", "-c", command)

    return {"python": python, "bash": bash}
