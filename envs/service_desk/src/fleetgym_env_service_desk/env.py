"""ServiceDesk-v1 as a Gymnasium env."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fleetgym.env import McpEnv
from fleetgym_env_service_desk.instance import generate

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ServiceDeskEnv"]

_HERE = Path(__file__).parent


class ServiceDeskEnv(McpEnv):
    """Find an outage among the tickets of a day, find its cause, and hand it to whom it belongs."""

    server: ClassVar[tuple[str, ...]] = ("{python}", "{server}/desk_server.py", "{data}/desk.json")
    catalogue: ClassVar[Path] = _HERE / "tools.json"
    prestart: ClassVar[bool] = True

    def mounts(self) -> Mapping[str, Path]:
        """Show the server itself, and nothing else of this package, which knows the answers."""
        return {"server": _HERE / "server"}

    def generate(self, seed: int, directory: Path) -> tuple[str, Mapping[str, Any]]:
        """Write the desk of one day."""
        return generate(self.scenario, seed, directory)

    def decode_truth(self, truth: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the truth as it is."""
        return truth
