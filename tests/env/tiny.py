"""The smallest environment there can be: find a number, hand it in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from fleetgym.contracts.errors import SandboxError, ToolError
from fleetgym.contracts.sandbox import Sandbox, SandboxSpec
from fleetgym.contracts.scenario import Budget, Scenario
from fleetgym.contracts.scoring import Checkpoint, Trajectory
from fleetgym.contracts.tools import SUBMIT, ToolCall, ToolResult, ToolSpec
from fleetgym.env import ToolEnv
from fleetgym.env.instances import InstanceCache

LOOK = ToolSpec(
    name="look",
    description="Look at one place.",
    parameters={
        "type": "object",
        "properties": {
            "place": {"type": "string"},
            "depth": {"type": "integer", "minimum": 1, "maximum": 3},
        },
        "required": ["place"],
        "additionalProperties": False,
    },
)

SCENARIO = Scenario(
    id="tiny/number",
    version=1,
    environment="test/Tiny-v1",
    title="Find the number",
    platform="none",
    difficulty="easy",
    prompt="Find it.",
    tools=("look", SUBMIT),
    artifact_schema={"type": "object", "properties": {"number": {"type": "integer"}}},
    budget=Budget(steps=4),
)


class TinyGrader:
    """Half for having looked, half for the right number."""

    name = "tiny"
    version = "1"

    def read(self, answer: str) -> Mapping[str, Any]:
        try:
            artifact = json.loads(answer)
        except ValueError as error:
            raise ToolError("The answer is not JSON.") from error
        if not isinstance(artifact, dict):
            raise ToolError("The answer must be an object with 'number'.")
        return artifact  # pyright: ignore[reportUnknownVariableType]

    def examine(
        self, artifact: Mapping[str, Any], execute: Callable[[ToolCall], ToolResult]
    ) -> Mapping[str, Any]:
        return {"number": artifact.get("number"), "seen": execute(ToolCall("peek")).content}

    def checkpoints(self, truth: Any) -> Sequence[Checkpoint]:
        def looked(trajectory: Trajectory) -> float:
            return float(any(s.call.name == "look" and not s.result.is_error for s in trajectory))

        def right(trajectory: Trajectory) -> float:
            return float(trajectory[-1].facts.get("number") == truth["number"])

        return (
            Checkpoint(name="looked", weight=0.5, reached=looked),
            Checkpoint(name="right", weight=0.5, reached=right),
        )


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

    def close(self) -> None:
        for sandbox in self.opened:
            sandbox.close()


class TinyEnv(ToolEnv):
    toolsets: ClassVar[tuple[str, ...]] = ()
    system: ClassVar[str] = "You find numbers."
    generated: ClassVar[list[int]] = []

    def generate(self, seed: int, directory: Path) -> tuple[str, Mapping[str, Any]]:
        self.generated.append(seed)
        (directory / "number").write_text(str(seed * 7))
        return f"Find number {seed}.", {"number": seed * 7}

    def decode_truth(self, truth: Mapping[str, Any]) -> Mapping[str, Any]:
        return truth

    @classmethod
    def sandbox_tools(cls) -> Sequence[ToolSpec]:
        return (LOOK,)


def tiny_env(folder: Path, provider: TinyProvider | None = None, **changes: Any) -> TinyEnv:
    """Return an env whose instances are kept in ``folder``."""
    return TinyEnv(
        scenario=changes.pop("scenario", SCENARIO),
        grader=TinyGrader(),
        sandboxes=provider or TinyProvider(),
        instances=InstanceCache(folder, **changes),
        render_mode="ansi",
    )
