"""The tiny environment with a sandbox that answers in this process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleetgym.contracts.errors import SandboxError
from fleetgym.contracts.sandbox import Sandbox, SandboxSpec
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.env.instances import InstanceCache
from fleetgym_env_tiny.env import TinyEnv, TinyGrader
from fleetgym_env_tiny.scenarios import SCENARIO


class TinySandbox:
    """Answers in this process; breaks when asked to."""

    kind = "none"

    def __init__(self, data: Path) -> None:
        self.data = data
        self.closed = False

    def call(self, call: ToolCall) -> ToolResult:
        if call.arguments.get("place") == "broken":
            raise SandboxError("The sandbox died.")
        if call.arguments.get("place") == "nowhere":
            return ToolResult("There is nothing there; look at 'here'.", is_error=True)
        return ToolResult((self.data / "number").read_text())

    def close(self) -> None:
        self.closed = True


class TinyProvider:
    """Remembers what it opened."""

    kind = "none"

    def __init__(self) -> None:
        self.opened: list[TinySandbox] = []

    def open(self, spec: SandboxSpec, data: Path) -> Sandbox:
        self.opened.append(TinySandbox(data))
        return self.opened[-1]

    def prepare(self, spec: SandboxSpec) -> None:
        pass

    def provenance(self, spec: SandboxSpec) -> Mapping[str, str]:
        return {}

    def close(self) -> None:
        for sandbox in self.opened:
            sandbox.close()


def tiny_env(folder: Path, provider: TinyProvider | None = None, **changes: Any) -> TinyEnv:
    """Return an env whose instances are kept in ``folder``."""
    return TinyEnv(
        scenario=changes.pop("scenario", SCENARIO),
        condition=changes.pop("condition", None),
        grader=TinyGrader(),
        sandboxes=provider or TinyProvider(),
        instances=InstanceCache(folder, **changes),
        render_mode="ansi",
    )
