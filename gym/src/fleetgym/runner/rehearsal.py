"""A scripted episode on which plugins are tried out: find a number, note it, hand it in.

It needs no sandbox, for its tools execute nothing. The model is a script, so what happens is
known beforehand, call by call.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from fleetgym.contracts.errors import SandboxError, ToolError
from fleetgym.contracts.policy import Plan, ask_all
from fleetgym.contracts.sandbox import SandboxSpec
from fleetgym.contracts.scenario import Scenario
from fleetgym.contracts.scoring import Checkpoint, Trajectory
from fleetgym.contracts.team import Role
from fleetgym.contracts.tools import SUBMIT, ToolCall, ToolResult, ToolSpec
from fleetgym.env import ToolEnv
from fleetgym.env.offered import LocalTool
from fleetgym.gateway import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from pathlib import Path

    from fleetgym.contracts.sandbox import Sandbox
    from fleetgym.gateway import ChatRequest

__all__ = [
    "DEFAULTS",
    "ENTRY",
    "NOTHING",
    "SCENARIO",
    "Finder",
    "NoSandboxes",
    "NumberGrader",
    "RehearsalEnv",
    "Restless",
    "Silent",
    "Surveyor",
    "number_of",
]

NOTHING = "There is nothing there; look at 'here'."
ENTRY = {"title": "Übergabe: 7 ≥ 6", "tags": ["first", "second"], "weight": {"kg": 1.5}}
"""What the script notes; it has to arrive as it is."""

_TEXT = {"type": "string"}
_LOOK = ToolSpec(
    name="look",
    description="Look at a place and read the number that is there.",
    parameters={
        "type": "object",
        "properties": {"place": _TEXT, "depth": {"type": "integer", "default": 3}},
        "required": ["place"],
        "additionalProperties": False,
    },
)
_NOTE = ToolSpec(
    name="note",
    description="Write an entry into the book.",
    parameters={
        "type": "object",
        "properties": {
            "entry": {
                "type": "object",
                "properties": {
                    "title": _TEXT,
                    "tags": {"type": "array", "items": _TEXT},
                    "weight": {"type": "object", "properties": {"kg": {"type": "number"}}},
                },
                "required": ["title"],
            },
            "urgent": {"type": "boolean", "default": False},
        },
        "required": ["entry"],
        "additionalProperties": False,
    },
)

DEFAULTS = (("look", "depth", 3), ("note", "urgent", False))
"""Tool, argument and its default, which a framework may fill in."""

SCENARIO = Scenario(
    id="rehearsal/number",
    version=1,
    environment="fleetgym/Rehearsal-v1",
    title="Find a number and hand it in",
    platform="none",
    difficulty="easy",
    system="You look for numbers. Follow the task to the letter.",
    prompt="Find the number.",
    tools=("look", "note", SUBMIT),
    artifact_schema={
        "type": "object",
        "properties": {"number": {"type": "integer"}},
        "required": ["number"],
    },
    team=(
        Role(name="scout", summary="Looks at places and takes notes", tools=("look", "note")),
        Role(name="clerk", summary="Hands in", tools=(SUBMIT,)),
    ),
)


def number_of(seed: int) -> int:
    """Return the number that an episode hides."""
    return seed * 7 + 11


class RehearsalEnv(ToolEnv):
    """Hides a number in one of its places."""

    toolsets: ClassVar[tuple[str, ...]] = ()

    @cached_property
    def sandbox_spec(self) -> SandboxSpec:
        """What :class:`NoSandboxes` never starts."""
        return SandboxSpec(server=("none",))

    def generate(self, seed: int, directory: Path) -> tuple[str, Mapping[str, Any]]:
        """Draw nothing: the number follows from the seed."""
        del directory
        return f"Find number {seed}, note it, and hand it in.", {"number": number_of(seed)}

    def decode_truth(self, truth: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the truth as it is."""
        return truth

    def local_tools(self) -> Sequence[LocalTool]:
        """Return tools that are answered here."""
        return (
            LocalTool(spec=_LOOK, answer=self._look),
            LocalTool(spec=_NOTE, answer=self._note),
        )

    def _note(self, **entry: Any) -> str:
        del entry
        return "Noted."

    def _look(self, place: str, depth: int = 3) -> str:
        del depth
        if place != "here":
            raise ToolError(NOTHING)
        return str(self._current.truth["number"])


class NumberGrader:
    """All for the right number."""

    name = "rehearsal/number"
    version = "1"

    def read(self, answer: str) -> Mapping[str, Any]:
        """Return the artifact.

        Raises:
            ToolError: It is no object with a number.
        """
        try:
            return {"number": int(json.loads(answer)["number"])}
        except (ValueError, TypeError, LookupError) as error:
            raise ToolError("The answer must be a JSON object with 'number'.") from error

    def examine(
        self, artifact: Mapping[str, Any], execute: Callable[[ToolCall], ToolResult]
    ) -> Mapping[str, Any]:
        """Execute nothing."""
        del execute
        return artifact

    def checkpoints(self, truth: Mapping[str, Any]) -> Sequence[Checkpoint]:
        """Return the one checkpoint."""

        def right(trajectory: Trajectory) -> float:
            return float(trajectory[-1].facts.get("number") == truth["number"])

        return (Checkpoint(name="number", weight=1.0, reached=right),)


class NoSandboxes:
    """A provider for environments that execute nothing."""

    kind = "none"

    def prepare(self, spec: SandboxSpec) -> None:
        """Nothing is needed."""

    def open(self, spec: SandboxSpec, data: Path) -> Sandbox:
        """Return a sandbox without tools."""
        del spec, data
        return _Empty()

    def provenance(self, spec: SandboxSpec) -> Mapping[str, str]:
        """It is made of nothing."""
        del spec
        return {}

    def close(self) -> None:
        """Nothing is open."""


class _Empty:
    kind = "none"

    def call(self, call: ToolCall) -> ToolResult:
        raise SandboxError(f"There is no {call.name!r} in an empty sandbox.")

    def close(self) -> None:
        pass


class Finder:
    """Looks where nothing is, then where the number is, notes something and hands it in."""

    def plan(self, prompt: str) -> Plan:
        """Return the script."""
        del prompt
        yield ToolCall("look", {"place": "nowhere"})
        result = yield ToolCall("look", {"place": "here", "depth": 2})
        yield ToolCall("note", {"entry": ENTRY, "urgent": True})
        yield ToolCall(SUBMIT, {"answer": json.dumps({"number": int(result.content)})})


class Surveyor:
    """Looks twice, which may be done at once, and hands in what it saw first."""

    def plan(self, prompt: str) -> Plan:
        """Return the script."""
        del prompt
        calls = [ToolCall("look", {"place": "here", "depth": depth}) for depth in (1, 2)]
        number, _ = yield from ask_all(calls, int)
        yield ToolCall(SUBMIT, {"answer": json.dumps({"number": number})})


class Restless:
    """Looks, and looks again, and never comes to an end."""

    def plan(self, prompt: str) -> Plan:
        """Return the script."""
        del prompt
        for depth in range(1, 100):
            yield ToolCall("look", {"place": "here", "depth": depth})


class Silent:
    """A model that never answers."""

    @asynccontextmanager
    async def answer(self, request: ChatRequest) -> AsyncGenerator[Answer]:
        """Wait for whoever asks to go away."""
        del request
        await asyncio.Event().wait()
        yield Answer(body={})
