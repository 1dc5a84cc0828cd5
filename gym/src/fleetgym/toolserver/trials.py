"""A toolset of one tool, which tries what no sandbox may let happen."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgym.contracts.tools import ToolSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fleetgym.contracts.sandbox import Limits, ToolFunction

__all__ = ["HIDDEN", "PRELOAD", "SPECS", "open_toolset"]

HIDDEN = frozenset({"try_everything"})
PRELOAD: tuple[str, ...] = ()
SPECS = (
    ToolSpec(
        name="try_everything",
        description="Say what of the host can be reached, as JSON: a list for each promise.",
        parameters={"type": "object"},
    ),
)


def open_toolset(mounts: Mapping[str, Path], limits: Limits) -> Mapping[str, ToolFunction]:  # noqa: ARG001
    """Return the tool."""

    def try_everything(
        files: list[str],
        packages: list[str],
        port: int,
        variables: list[str],
        process_namespace: int,
    ) -> str:
        own = os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116
        return json.dumps(
            {
                "the host's files are hidden": [path for path in files if Path(path).exists()],
                "only scratch space can be written": _writable(mounts["data"]),
                "the ground truth is hidden": [n for n in packages if _importable(n)],
                "there is no network": [f"port {port}"] if _connects(port) else [],
                "the host's processes are hidden": ["them"] if own == process_namespace else [],
                "the host's environment is hidden": [n for n in variables if n in os.environ],
                "there are no privileges": _privileges(),
            }
        )

    return {"try_everything": try_everything}


def _writable(data: Path) -> list[str]:
    places = (Path("/"), Path("/dev/shm"), Path("/usr/lib"), Path(__file__).parent, data)  # noqa: S108
    return [str(place) for place in places if os.access(place, os.W_OK)]


def _importable(package: str) -> bool:
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None  # an empty directory has none


def _connects(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _privileges() -> Iterable[str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    values = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    gained = values["NoNewPrivs"] == "0"
    return [f"CapEff {values['CapEff']}"] * (int(values["CapEff"], 16) != 0) + ["new ones"] * gained
