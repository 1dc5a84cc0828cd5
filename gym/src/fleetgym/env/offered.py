"""The tools that an env offers beside those that its toolsets have in the sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetgym.contracts.errors import UnknownName
from fleetgym.contracts.tools import SUBMIT, ToolSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from fleetgym.contracts.scenario import Scenario

__all__ = ["LocalTool", "offered_tools", "submit_tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTool:
    """A tool that executes nothing and is answered by the environment itself."""

    spec: ToolSpec
    answer: Callable[..., str]
    """Takes the arguments by name; raises ``ToolError`` for a wrong call."""


def submit_tool(scenario: Scenario) -> LocalTool:
    """Return the tool that ends an episode of ``scenario``."""
    keys = ", ".join(scenario.artifact_schema.get("properties", {}))
    spec = ToolSpec(
        name=SUBMIT,
        description=(
            "Hand in the final answer and end the episode. The answer is one JSON object, "
            f"as text, with exactly these keys: {keys}."
        ),
        parameters={
            "type": "object",
            "properties": {"answer": {"type": "string", "description": "The JSON text."}},
            "required": ["answer"],
            "additionalProperties": False,
        },
        scopes=("answer:submit",),
    )
    return LocalTool(spec=spec, answer=str)


def offered_tools(
    scenario: Scenario, catalogue: Mapping[str, ToolSpec], brought: Iterable[ToolSpec]
) -> Sequence[ToolSpec]:
    """Return the scenario's tools in its order, what a condition brings before `submit`.

    Raises:
        UnknownName: The scenario names a tool that is not in the catalogue.
    """
    for name in scenario.tools:
        if name not in catalogue:
            raise UnknownName("tool", name, catalogue)
    return [
        *(catalogue[name] for name in scenario.tools if name != SUBMIT),
        *brought,
        *(catalogue[name] for name in scenario.tools if name == SUBMIT),
    ]
