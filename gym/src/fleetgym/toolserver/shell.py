"""The general tools: a shell and Python, in the sandbox.

An environment offers them by naming this module among its toolsets.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import SandboxError, ToolError
from fleetgym.contracts.tools import ToolSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.sandbox import Limits, ToolFunction

__all__ = ["HIDDEN", "PRELOAD", "SCOPES", "SPECS", "open_toolset"]

HIDDEN: frozenset[str] = frozenset()
PRELOAD = ("fleetgym.toolserver.shell_call",)
SCOPES = ("data:read", "scratch:write", "process:execute")

MAX_PROGRAM_BYTES = 100_000
"""Of a command or a script: the kernel takes 128 KiB as one argument."""

_RULES = (
    "The working directory is writable, and its files are there in later calls; nothing else is: "
    "variables, the directory changed to and background processes end with the call. The task's "
    "read-only files are in the directory $MOUNT_DATA, and in those that other variables named "
    "$MOUNT_… hold. There is no network and no input. Returns standard output and standard error "
    "together, then the exit code; of long output, the beginning and the end."
)
_TIMEOUT = {
    "type": "number",
    "exclusiveMinimum": 0,
    "description": "Wall-clock time after which all is killed. The sandbox has a limit of its own, "
    "which is the default and the most.",
}


def _parameters(name: str, description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": description},
            "timeout_seconds": _TIMEOUT,
        },
        "required": [name],
        "additionalProperties": False,
    }


SPECS = (
    ToolSpec(
        name="bash",
        description=f"Run a command in a new bash. {_RULES}",
        parameters=_parameters("command", "One command, or a script of many lines."),
        destructive=True,
    ),
    ToolSpec(
        name="python",
        description=f"Run a script in a new Python interpreter; print what you want to see. "
        f"{_RULES}",
        parameters=_parameters("code", "Python source."),
        destructive=True,
    ),
)


def open_toolset(mounts: Mapping[str, Path], limits: Limits) -> Mapping[str, ToolFunction]:
    """Return the tools.

    Raises:
        SandboxError: There is no shell.
    """
    import os  # noqa: PLC0415 - of no use to SPECS
    import shutil  # noqa: PLC0415
    import sys  # noqa: PLC0415

    path = f"{os.environ['PATH']}:{Path(sys.executable).parent}"
    shell = shutil.which("bash", path=path)
    if shell is None:
        raise SandboxError("The sandbox has no bash, which the toolset 'shell' needs.")
    environment = {
        **{name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ},
        "PATH": path,
        "PYTHONUNBUFFERED": "1",  # or its two streams come out of order
        **{f"MOUNT_{name.upper()}": str(place) for name, place in mounts.items()},
    }
    programs = _Programs(environment, Path(os.environ["TMPDIR"]), limits)

    def bash(command: str, timeout_seconds: float | None = None) -> str:
        return programs.run((shell, "-c"), "command", command, timeout_seconds)

    def python(code: str, timeout_seconds: float | None = None) -> str:
        return programs.run((sys.executable, "-c"), "code", code, timeout_seconds)

    return {"bash": bash, "python": python}


class _Programs:
    """Runs what agents write."""

    def __init__(self, environment: Mapping[str, str], scratch: Path, limits: Limits) -> None:
        self._environment = environment
        self._scratch = scratch
        self._limits = limits

    def run(self, interpreter: Sequence[str], name: str, source: str, timeout: float | None) -> str:
        from fleetgym.toolserver.shell_call import run  # noqa: PLC0415 - of no use to SPECS

        ended = run(
            (*interpreter, _source(name, source)),
            environment=self._environment,
            scratch=self._scratch,
            seconds=_seconds(timeout, self._limits.call_seconds),
            limits=self._limits,
        )
        shown = ended.output
        if shown and not shown.endswith("\n"):
            shown += "\n"
        if ended.broke:
            raise ToolError(f"{shown}[killed, with all that it had started: {ended.broke}]")
        if ended.code < 0:
            return f"{shown}[killed by signal {-ended.code}]"
        return f"{shown}[exit code {ended.code}]"


def _source(name: str, source: object) -> str:
    if not isinstance(source, str) or "\0" in source:
        raise ToolError(f"The argument {name!r} must be text without null characters.")
    size = len(source.encode(errors="replace"))
    if size > MAX_PROGRAM_BYTES:
        raise ToolError(
            f"The argument {name!r} has {size} bytes; {MAX_PROGRAM_BYTES} are allowed. Write it to "
            "a file in parts, and run the file."
        )
    return source.encode(errors="replace").decode()


def _seconds(timeout: object, most: float) -> float:
    if timeout is None:
        return most
    if not isinstance(timeout, int | float) or isinstance(timeout, bool) or not timeout > 0:
        raise ToolError(f"The argument 'timeout_seconds' must be more than 0, not {timeout!r}.")
    return float(min(timeout, most))
