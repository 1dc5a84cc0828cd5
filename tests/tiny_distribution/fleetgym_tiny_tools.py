"""Tools of the tiny environment: they run in the sandbox."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from fleetgym.contracts.errors import ToolError
from fleetgym.contracts.sandbox import Limits, ToolFunction
from fleetgym.contracts.tools import ToolSpec

SPECS = (
    ToolSpec(
        name="look",
        description="Look at one place: here, there, nowhere, broken or slow.",
        parameters={
            "type": "object",
            "properties": {
                "place": {"type": "string"},
                "depth": {"type": "integer", "minimum": 1, "maximum": 3},
            },
            "required": ["place"],
            "additionalProperties": False,
        },
    ),
    ToolSpec(
        name="peek",
        description="Return the number, for the grader.",
        parameters={"type": "object", "properties": {}},
    ),
)
HIDDEN = frozenset({"peek"})
PRELOAD = ()


def open_toolset(mounts: Mapping[str, Path], limits: Limits) -> Mapping[str, ToolFunction]:
    del limits

    def look(place: str, depth: int = 1) -> str:
        del depth
        if place == "broken":
            raise RuntimeError("The tool has a bug.")
        if place == "slow":
            time.sleep(60)
        if place == "nowhere":
            raise ToolError("There is nothing there; look at 'here'.")
        return (mounts["data"] / "number").read_text()

    return {"look": look, "peek": (mounts["data"] / "number").read_text}
