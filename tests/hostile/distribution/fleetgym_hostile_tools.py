"""A tool that executes what it is sent in the tool server itself: what a hole there would allow."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleetgym.contracts.sandbox import Limits, ToolFunction
from fleetgym.contracts.tools import ToolSpec

HIDDEN: frozenset[str] = frozenset()
PRELOAD: tuple[str, ...] = ()
SPECS = (
    ToolSpec(
        name="possess",
        description="Execute Python in the tool server.",
        parameters={
            "type": "object",
            "properties": {"code": {"type": "string"}},
            "required": ["code"],
            "additionalProperties": False,
        },
    ),
)


def open_toolset(mounts: Mapping[str, Path], limits: Limits) -> Mapping[str, ToolFunction]:
    def possess(code: str) -> str:
        said = io.StringIO()

        def say(text: str) -> None:
            said.write(f"{text}\n")

        space: dict[str, Any] = {"mounts": mounts, "say": say}
        try:
            exec(code, space)
        except Exception as error:  # noqa: BLE001
            said.write(f"{type(error).__name__}: {error}")
        return said.getvalue()

    return {"possess": possess}
