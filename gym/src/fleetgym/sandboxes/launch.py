"""How a tool server is started: what tells the kinds of sandboxes apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym.contracts.sandbox import SandboxSpec

__all__ = ["ENVIRONMENT", "OWN_VARIABLES", "Launch", "Launcher"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One server, ready to be started."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: Mapping[str, str]
    """Directories by name, as the server sees them; ``data`` among them."""


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
