"""Tools that try things, for the tests of the sandboxes."""

from __future__ import annotations

import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from fleetgym.contracts.errors import ToolError
from fleetgym.contracts.sandbox import Limits, ToolFunction
from fleetgym.contracts.tools import ToolSpec

HIDDEN = frozenset({"secret_echo"})
PRELOAD = ("json",)


def echo(text: str = "") -> str:
    return text


def refuse(text: str = "") -> str:
    raise ToolError(f"no {text}")


def break_down(text: str = "") -> str:
    raise RuntimeError(text)


def die() -> str:
    os._exit(3)


def sleep(text: str) -> str:
    time.sleep(float(text))
    return "awake"


def hang(text: str = "") -> str:
    """Tell the named pipe ``text`` that it begins, and do not even listen to the alarm."""
    if text:
        os.close(os.open(text, os.O_WRONLY))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    time.sleep(600)
    return "awake"


def print_much(text: str) -> str:
    return "é" * int(text)


def say(text: str = "") -> str:
    sys.stdout.write("printed by a tool\n")
    sys.stdout.flush()
    os.write(1, b"written by a tool\n")
    return text


def spoil_wire() -> str:
    for descriptor in range(3, 30):
        try:
            os.write(descriptor, b"no JSON\n")
        except OSError:
            continue
    return "spoiled"


def read(text: str) -> str:
    path = Path(text)
    try:
        return (
            "\n".join(sorted(p.name for p in path.iterdir())) if path.is_dir() else path.read_text()
        )
    except OSError as error:
        raise ToolError(str(error.strerror)) from error


def write(text: str) -> str:
    try:
        Path(text).write_text("x")
    except OSError as error:
        raise ToolError(str(error.strerror)) from error
    return "written"


def fill_scratch(text: str) -> str:
    """Write so many files of one MiB."""
    try:
        for number in range(int(text)):
            Path(f"{number}").write_bytes(bytes(1024**2))
    except OSError as error:
        raise ToolError(str(error.strerror)) from error
    return "written"


def make_files(text: str) -> str:
    """Make so many empty files."""
    try:
        for number in range(int(text)):
            Path(f"empty-{number}").touch()
    except OSError as error:
        raise ToolError(str(error.strerror)) from error
    return "made"


def lock_scratch() -> str:
    """Leave files that are awkward to remove."""
    Path("locked/inner").mkdir(parents=True)
    Path("locked/inner/file").touch()
    Path("link").symlink_to("/")
    Path("locked").chmod(0)
    return "locked"


def allocate(text: str) -> str:
    return str(len(bytes(int(text))))


def allocate_in_many(text: str) -> str:
    """Let so many processes hold 100 MiB each; return how many were killed for it."""
    children: list[int] = []
    for _ in range(int(text)):
        told, tells = os.pipe()
        child = os.fork()
        if child == 0:
            held = b"x" * (100 * 1024**2)
            os.write(tells, held[:1])
            time.sleep(600)
        os.close(tells)
        os.read(told, 1)  # that it has them, or nothing, since it is gone
        os.close(told)
        children.append(child)
    return str(sum(os.waitpid(child, os.WNOHANG)[0] != 0 for child in children))


def environ() -> str:
    """Return all environments there are to see."""
    seen = [f"{name}={value}" for name, value in os.environ.items()]
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


def leave_process() -> str:
    """Start a process that wants to outlive everything."""
    code = "import time; time.sleep(600)"
    return str(subprocess.Popen([sys.executable, "-c", code], start_new_session=True).pid)


def fork_many(text: str) -> str:
    for _ in range(int(text)):
        if os.fork() == 0:
            time.sleep(600)
    time.sleep(600)
    return "forked"


def processes() -> str:
    return "\n".join(sorted(p.name for p in Path("/proc").iterdir() if p.name.isdecimal()))


def alive(text: str) -> str:
    return str(Path(f"/proc/{text}").exists())


def server() -> str:
    """Return what names the warm server, in whatever process namespace it is."""
    parent = os.getppid()
    started = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[19]
    return f"{parent} {started}"


def _data(mounts: Mapping[str, Path]) -> ToolFunction:
    def data(text: str = ".") -> str:
        return read(str(mounts["data"] / text))

    return data


def _mounted(mounts: Mapping[str, Path]) -> ToolFunction:
    def mounted() -> str:
        return "\n".join(f"{name}={path}" for name, path in sorted(mounts.items()))

    return mounted


_FUNCTIONS: dict[str, ToolFunction] = {
    function.__name__: function
    for function in (
        echo, refuse, break_down, die, sleep, hang, print_much, say, spoil_wire, read, write,
        fill_scratch, make_files, lock_scratch, allocate, allocate_in_many, environ, connect,
        import_module, leave_process, fork_many, processes, alive, server,
    )
} | {"secret_echo": echo}  # fmt: skip

SPECS = tuple(
    ToolSpec(
        name=name,
        description=f"Tries to {name}.",
        parameters={"type": "object", "properties": {"text": {"type": "string"}}},
        destructive=name == "die",
    )
    for name in (*_FUNCTIONS, "data", "mounted")
)


def open_toolset(mounts: Mapping[str, Path], limits: Limits) -> Mapping[str, ToolFunction]:
    return {**_FUNCTIONS, "data": _data(mounts), "mounted": _mounted(mounts)}
