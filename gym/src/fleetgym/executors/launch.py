"""How a framework's warm process is started: what tells the kinds of isolation apart."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym.registry import RegisteredFramework

__all__ = ["ENVIRONMENT", "SOCKET", "Launcher", "Process", "worker_arguments"]

SOCKET = "s"
"""Where a warm process listens, in its place."""

ENVIRONMENT: Mapping[str, str] = {
    "LANG": "C.UTF-8",
    # The threads that numpy would start when it is imported could not be forked.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    # Equal runs order their sets equally.
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    # Certificates to trust: none. It has nobody to talk to over TLS, and loading them costs each
    # client that a framework makes 20 ms.
    "SSL_CERT_DIR": os.devnull,
    "TZ": "UTC",
}
"""All that a framework's process sees of the host's environment: nothing."""


class Process(Protocol):
    """A warm process that has been started."""

    @property
    def pid(self) -> int:
        """Id on this machine of what ends it when killed."""
        ...

    async def answer(self) -> bytes:
        """Return the line that it says once it is ready; empty when it ended before."""
        ...

    async def wait(self) -> None:
        """Return when it has ended."""
        ...

    async def end(self) -> None:
        """End it and all runs that it still has; no error when it has ended."""
        ...


class Launcher(Protocol):
    """One kind of isolation."""

    kind: str

    private_network: bool
    """Whether runs have a loopback address of their own, that the lane has to be handed."""

    def single(self) -> bool:
        """Return whether a warm process may have one run only, since it could not part them."""
        ...

    def part_by_processes(self) -> None:
        """Have :meth:`single` return True from now on."""
        ...

    def facts(self, framework: RegisteredFramework) -> Mapping[str, str]:
        """Return what a record has to say of how runs are isolated.

        Raises:
            OperatorError: What is needed for it is not there.
        """
        ...

    async def launch(
        self, framework: RegisteredFramework, place: Path, log: Path, *, single: bool
    ) -> Process:
        """Start a warm process.

        Args:
            framework: What it imports.
            place: A directory of its own, where it is to make :data:`SOCKET`.
            log: Takes what it prints.
            single: It is to end after one run.

        Raises:
            OperatorError: It could not be started.
        """
        ...


def worker_arguments(framework: RegisteredFramework, place: str, cache: str) -> list[str]:
    """Return what stands behind the interpreter, paths being as the process sees them."""
    return [
        *("-P", "-s", "-m", "fleetgym.worker", "serve", "--framework", framework.spec.name),
        *("--socket", f"{place}/{SOCKET}", "--cache", cache),
    ]
