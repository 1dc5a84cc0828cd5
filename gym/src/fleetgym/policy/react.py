"""Tools in plain text: ``Action``, ``Action Input``, ``Observation``, as ReAct prompts ask.

The prompt names the tools and the form. What was called and what came of it stands in the texts
that follow, in one message or in many.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from fleetgym.policy.conversation import Parameters, Say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fleetgym.policy.conversation import Move

__all__ = ["asks_for_text", "observations", "offered_in", "written_out"]

_ACTION = re.compile(r"^Action:[ \t]*(\S[^\n]*?)[ \t]*\n+Action Input:\s*", re.MULTILINE)
_OBSERVATION = re.compile(r"\s*Observation:[ \t]*\n?")
_NEXT = re.compile(r"\n+Thought:[^\n]*\n+(?:Action:|Final Answer:)|\n+Action:[^\n]*\nAction Input:")
_TOOL = re.compile(r"^Tool Name: (\S+)\s*\nTool Arguments:\s*", re.MULTILINE)
_NAMES = re.compile(r"one (?:name )?of \[([^\]\n]+)\]")


def asks_for_text(prompt: str) -> bool:
    """Return whether tools are to be called in this form."""
    return "Action Input:" in prompt


def offered_in(prompt: str) -> Mapping[str, Parameters]:
    """Return what the tools that a prompt names take, as far as it says."""
    found = {tool[1]: _parameters(prompt, tool.end()) for tool in _TOOL.finditer(prompt)}
    for names in _NAMES.findall(prompt):
        for name in names.split(","):
            found.setdefault(name.strip(" '\"`"), Parameters())
    return found


def observations(texts: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield name, arguments and result of each call that has a result.

    Args:
        texts: Of the messages. A result ends with its message, and may be a message of its own.
    """
    for text, after in zip(texts, [*texts[1:], ""], strict=True):
        for action in _ACTION.finditer(text):
            try:
                _, end = json.JSONDecoder().raw_decode(text, action.end())
            except ValueError:
                continue
            held = text if text[end:].strip() else after
            observation = _OBSERVATION.match(held, end if held is text else 0)
            if observation is not None:
                following = _NEXT.search(held, observation.end())
                result = held[observation.end() : following.start() if following else None]
                yield action[1], text[action.end() : end], _alone(result).rstrip("\n")


def _alone(result: str) -> str:
    """Return a result without the reminder of the form that a framework may put after it."""
    reminder = _TOOL.search(result)
    if reminder is None:
        return result
    if result[:1] in ("{", "["):
        try:
            return result[: json.JSONDecoder().raw_decode(result)[1]]
        except ValueError:
            return result
    # The tools are introduced by a paragraph of their own.
    introduced = result.rfind("\n\n", 0, reminder.start())
    return result[: max(0, result.rfind("\n\n", 0, max(0, introduced)))]


def written_out(move: Move) -> str:
    """Return a move in this form."""
    if isinstance(move, Say):
        return f"Thought: I now know the final answer\nFinal Answer: {move.text}"
    thought = " ".join(move.said.split()) or "This is what to do next."
    return f"Thought: {thought}\nAction: {move.name}\nAction Input: {move.arguments}"


def _parameters(prompt: str, position: int) -> Parameters:
    try:
        told: Any = json.JSONDecoder().raw_decode(prompt, position)[0]
        if "properties" not in told:
            told = {"properties": told, "required": list(told)}
        return Parameters.model_validate(told)
    except (ValueError, TypeError, ValidationError):
        return Parameters()
