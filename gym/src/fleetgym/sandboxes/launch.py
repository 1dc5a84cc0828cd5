"""How a tool server is started: what tells the kinds of sandboxes apart."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fleetgym.contracts.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym.contracts.sandbox import SandboxSpec

__all__ = [
    "ENVIRONMENT",
    "LINE_LIMIT",
    "OWN_VARIABLES",
    "UNKNOWN_STATUS",
    "Launch",
    "Launcher",
    "ProcessLaunch",
    "Started",
]

ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    # The warm process forks, so no library may start threads in it; and none may phone home.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "ANONYMIZED_TELEMETRY": "False",
}
"""All that a tool server gets of an environment, beside its own directories."""

OWN_VARIABLES = frozenset({*ENVIRONMENT, "HOME", "TMPDIR", "PYTHONPATH", "PWD"})
"""Variables that a tool server may have under the same name as the host."""


LINE_LIMIT = 64 * 1024**2
"""Of one line that a tool server writes, in bytes."""

UNKNOWN_STATUS = -1
"""Exit code of a server that ended where nobody could see it, or cannot be heard any more."""


class Started(Protocol):
    """A tool server that runs: its streams and its end, as asyncio's own processes have them."""

    @property
    def stdin(self) -> asyncio.StreamWriter | None:
        """To the server."""
        ...

    @property
    def stdout(self) -> asyncio.StreamReader | None:
        """From the server; ends when the server does, or cannot be heard any more."""
        ...

    @property
    def stderr(self) -> asyncio.StreamReader | None:
        """What it says to people."""
        ...

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        ...

    def terminate(self) -> None:
        """Tell it to go; raises ProcessLookupError when it is gone."""
        ...

    def kill(self) -> None:
        """End it, heard or not; raises ProcessLookupError when it is gone."""
        ...

    async def wait(self) -> int:
        """Return its exit code, once nothing of it is left that takes memory; never hangs."""
        ...


class Launch(Protocol):
    """One server, ready to be started."""

    @property
    def mounts(self) -> Mapping[str, str]:
        """Directories by name, as the server sees them; ``data`` among them."""
        ...

    @property
    def advice(self) -> str:
        """What to do when it starts and then fails; may be empty."""
        ...

    async def start(self) -> Started:
        """Start it.

        Raises:
            SandboxError: It could not be started.
            MissingDependency: This machine lacks what it needs.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLaunch:
    """A server that is a process of this machine."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: Mapping[str, str]
    advice: str = ""

    async def start(self) -> Started:
        """Start the process in a session of its own."""
        try:
            return await asyncio.create_subprocess_exec(
                *self.command,
                env=dict(self.environment),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=LINE_LIMIT,
                start_new_session=True,  # or an interrupt from the keyboard would end it, too
            )
        except OSError as error:
            raise SandboxError(f"The tool server did not start: {error}.") from error


class Launcher(Protocol):
    """One kind of sandbox."""

    kind: str

    def prepare(self, spec: SandboxSpec, jail: Path) -> Launch:
        """Return how to start a server.

        Args:
            spec: What it has to offer.
            jail: Its own directory, with the folders ``data`` (the instance's files come and go
                while it runs), ``scratch`` and ``empty``.

        Raises:
            SpecError: The spec cannot be offered.
        """
        ...

    def provenance(self, spec: SandboxSpec) -> Mapping[str, str]:  # noqa: ARG002
        """Return what its servers are made of, for run records; from memory, so at no cost."""
        return {}

    def close(self) -> None:
        """Remove what is left of its servers; called once, when none is wanted any more."""
