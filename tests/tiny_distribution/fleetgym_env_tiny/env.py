from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from fleetgym.contracts.errors import ToolError
from fleetgym.contracts.scoring import Checkpoint, Trajectory
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.env import ToolEnv

_BROKEN = os.environ.get("FLEETGYM_TINY_BROKEN", "")
"""What is wrong with this environment; nothing, if empty."""


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
        facts = {"number": artifact.get("number"), "seen": execute(ToolCall("peek")).content}
        return facts | ({"no JSON": object()} if _BROKEN == "facts" else {})

    def checkpoints(self, truth: Any) -> Sequence[Checkpoint]:
        def looked(trajectory: Trajectory) -> float:
            return float(any(s.call.name == "look" and not s.result.is_error for s in trajectory))

        def right(trajectory: Trajectory) -> float:
            return float(trajectory[-1].facts.get("number") == truth["number"])

        return (
            Checkpoint(name="looked", weight=0.5, reached=looked),
            Checkpoint(name="right", weight=0.5, reached=right),
        )


class TinyEnv(ToolEnv):
    toolsets: ClassVar[tuple[str, ...]] = ("fleetgym_tiny_tools",)
    generated: ClassVar[list[int]] = []

    def generate(self, seed: int, directory: Path) -> tuple[str, Mapping[str, Any]]:
        self.generated.append(seed)
        (directory / "number").write_text(str(seed * 7))
        return f"Find number {seed}.", {"number": seed * 7}

    def decode_truth(self, truth: Mapping[str, Any]) -> Mapping[str, Any]:
        if _BROKEN == "truth":
            raise RuntimeError("The environment has a bug.")
        if _BROKEN == "iterator":
            return next(iter(()))
        if _BROKEN == "exit":
            sys.exit("The environment gave up.")
        if _BROKEN == "killed" and truth["number"] == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return truth
