"""Stands between fleetgym and a Docker daemon, and fails as daemons do."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


class DaemonProxy:
    """Hands every byte on, until it is told to die or to fall silent."""

    def __init__(self, path: Path, daemon: str) -> None:
        self.address = f"unix://{path}"
        self._path = path
        self._daemon = daemon.removeprefix("unix://")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._silent = threading.Event()
        self._threads[0].start()

    def die(self) -> None:
        """Drop every connection and accept none any more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._path.unlink(missing_ok=True)
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def fall_silent(self) -> None:
        """Accept everything and answer nothing."""
        self._silent.set()

    def close(self) -> None:
        self.die()
        for thread in self._threads:
            thread.join()
        for connection in self._connections:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                asking, _ = self._listener.accept()
            except OSError:
                return
            answering = socket.socket(socket.AF_UNIX)
            answering.connect(self._daemon)
            thread = threading.Thread(target=self._hand_on, args=(asking, answering))
            with self._lock:
                self._connections += (asking, answering)
                self._threads.append(thread)
            thread.start()

    def _hand_on(self, asking: socket.socket, answering: socket.socket) -> None:
        others = {asking: answering, answering: asking}
        while others:
            for side in select.select(list(others), [], [])[0]:
                try:
                    data = side.recv(65536)
                    if data and not self._silent.is_set():
                        others[side].sendall(data)
                except OSError:
                    data = b""
                if not data:  # this way is over; the other one may not be
                    with contextlib.suppress(OSError):
                        others[side].shutdown(socket.SHUT_WR)
                    del others[side]
                    break


@contextmanager
def proxy_of(daemon: str, folder: Path) -> Generator[DaemonProxy]:
    proxy = DaemonProxy(folder / "proxy.sock", daemon)
    try:
        yield proxy
    finally:
        proxy.close()
