"""A Docker daemon of a test's own, which may be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_READY = b"API listen on"


class OwnDaemon:
    """``dockerd`` with its own containerd, images and socket, all below one folder."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix://{folder}/d.sock"
        self.folder = folder
        self._process = subprocess.Popen(
            [
                "dockerd", "--host", self.address, "--data-root", f"{folder}/data",
                "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid",
                "--bridge", "none", "--iptables=false", "--ip6tables=false",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip

    def wait_until_ready(self) -> None:
        assert self._process.stderr is not None
        said: list[bytes] = []
        for line in self._process.stderr:
            said.append(line)
            if _READY in line:
                return
        raise RuntimeError(b"".join(said[-5:]).decode())

    def end(self) -> None:
        """End it and all that it has started, its containers among them."""
        self.kill()
        for pid in _processes_below(self.folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.communicate()
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            place = line.split()[1]
            if place.startswith(str(self.folder)):
                subprocess.run(["umount", "--lazy", place], check=False)

    def kill(self) -> None:
        """Kill the daemon alone, as a crash would."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Let it do nothing, until it is told to go on."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def own_daemon() -> Generator[OwnDaemon]:
    """Give a daemon that answers, and leave nothing of it."""
    # Not where tests have their files: its sockets' names would be too long.
    with tempfile.TemporaryDirectory(prefix="dockerd-") as folder:
        daemon = OwnDaemon(Path(folder))
        try:
            daemon.wait_until_ready()
            yield daemon
        finally:
            daemon.end()


def _processes_below(folder: Path) -> list[int]:
    """Return containerd, its shims and their containers: all name the folder, or a shim's child."""
    named: list[int] = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and str(folder) in (entry / "cmdline").read_text():
                named.append(int(entry.name))
    return [child for pid in named for child in _children(pid)] + named


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
