"""Namespaces of its own for each run: what keeps the forks of one warm process apart.

The warm process runs inside bubblewrap, in a user namespace that holds nothing of the host's and
cannot make another one. There, and only there, it has a few capabilities, which it needs to put
each fork into process, mount, network and IPC namespaces that are the fork's own. The fork gives
all of them up before it touches the plugin. The mounts it inherits belong to an outer user
namespace, so neither process can undo or loosen them.

What is left of the host, or of another run: no process to signal, trace or look at, no file beside
read-only system libraries and an empty home, no socket but the one that this module opens.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleetgym.worker.limits import Limits

__all__ = ["NOT_APART", "Forker", "enclose", "listen"]

NOT_APART = "Runs cannot be kept apart"
"""How the message begins when the kernel refuses namespaces."""

_NEW_MOUNTS = 0x0002_0000
_NEW_IPC = 0x0800_0000
_NEW_PROCESSES = 0x2000_0000
_NEW_NETWORK = 0x4000_0000

_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_EXEC = 1, 2, 4, 8
_REMOUNT, _BIND, _MOVE = 0x20, 0x1000, 0x2000

_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1

_PR_SET_NO_NEW_PRIVS = 38
_PR_CAPBSET_DROP = 24
_CAPABILITY_VERSION_3 = 0x2008_0522
_LAST_CAPABILITY = 63

_SHOWN_OF_PROC = ("cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "uptime", "version")

_libc = ctypes.CDLL(None, use_errno=True)


class Forker:
    """Forks processes that are each the first of a process namespace of its own."""

    def __init__(self) -> None:
        """Become the first process of a namespace that this user namespace owns.

        The process that called waits for the one that returns, and ends as it does.

        Raises:
            OSError: The capabilities are missing.
        """
        _call("unshare", _NEW_PROCESSES)
        child = os.fork()
        if child != 0:
            os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
        self._own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        # Fails here, before anything is promised, if it fails at all.
        self._prepare()
        self._restore()

    def fork(self) -> int:
        """Do what :func:`os.fork` does; when the child ends, all that it started ends."""
        self._prepare()
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid != 0:
                self._restore()
        return pid

    @staticmethod
    def _prepare() -> None:
        _call("unshare", _NEW_PROCESSES)

    def _restore(self) -> None:
        _call("setns", self._own, _NEW_PROCESSES)


def enclose(home: Path, hidden: Iterable[Path], limits: Limits) -> None:
    """Leave everything that is shared with other runs, for good, and every capability.

    Args:
        home: Becomes an empty file system in memory, the only place to write.
        hidden: Directories that become empty.
        limits: Size of the home.

    Raises:
        OSError: The kernel refuses; nothing may be run then.
    """
    _call("unshare", _NEW_MOUNTS | _NEW_NETWORK | _NEW_IPC)
    _bring_loopback_up()
    for path in hidden:
        _mount_memory(path, "size=4k,nr_inodes=2,mode=555", _READ_ONLY)
    _mount_proc(home)
    owner = f"mode=700,uid={os.getuid()},gid={os.getgid()}"
    _mount_memory(home, f"size={limits.home_bytes},nr_inodes={limits.home_files},{owner}")
    shared_memory = home / ".shm"
    shared_memory.mkdir()
    _mount(shared_memory, Path("/dev/shm"), flags=_BIND)  # noqa: S108 - the run's own
    _drop_capabilities()


def listen(port: int) -> socket.socket:
    """Return a socket that listens on this network namespace's loopback address."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def _bring_loopback_up() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def _mount_proc(place: Path) -> None:
    """Show this process namespace in /proc, or of the one that is there, this process alone.

    ``place`` is where the latter is put together before it is moved.

    The kernel refuses a new one where bubblewrap, run by root, has covered parts of the old one.
    """
    safe = _NO_SUID | _NO_DEVICES | _NO_EXEC
    with suppress(PermissionError):
        _mount("proc", Path("/proc"), kind="proc", flags=safe | _READ_ONLY)
        return
    _mount_memory(place, "size=64k,mode=755")
    (place / "1").mkdir()
    _mount("/proc/self", place / "1", flags=_BIND)
    for name in _SHOWN_OF_PROC:
        (place / name).touch()
        _mount(f"/proc/{name}", place / name, flags=_BIND)
    for name, target in (("self", "1"), ("thread-self", "1/task/1"), ("mounts", "1/mounts")):
        (place / name).symlink_to(target)
    _mount(place, Path("/proc"), flags=_MOVE)
    _mount(None, Path("/proc"), flags=_REMOUNT | _BIND | _READ_ONLY | safe)


def _mount_memory(place: Path, options: str, flags: int = 0) -> None:
    _mount("tmpfs", place, kind="tmpfs", flags=flags | _NO_SUID | _NO_DEVICES, options=options)


def _mount(
    source: Path | str | None, place: Path, *, kind: str = "", flags: int = 0, options: str = ""
) -> None:
    _call(
        "mount",
        *(None if not text else os.fsencode(text) for text in (source, place, kind)),
        ctypes.c_ulong(flags),
        options.encode() or None,
    )


def _drop_capabilities() -> None:
    for number in range(_LAST_CAPABILITY + 1):
        with suppress(OSError):  # it ends where the kernel knows no more of them
            _call("prctl", _PR_CAPBSET_DROP, number, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
