"""The ways in which a model of known skill goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from fleetgym.contracts.tools import SUBMIT, ToolCall
from fleetgym.policy.conversation import Move, Say, Use

if TYPE_CHECKING:
    from fleetgym.policy.conversation import Conversation, Parameters
    from fleetgym.policy.profiles import Profile

__all__ = ["Draw", "as_planned", "attempt"]

Draw: TypeAlias = Callable[[str], float]
"""Gives the number in [0, 1) that belongs to a name, for the answer being made."""

_FILLERS: Mapping[str, Any] = {
    "string": "unknown",
    "integer": 1,
    "number": 1.0,
    "boolean": False,
    "array": [],
    "object": {},
}


def attempt(planned: ToolCall, conversation: Conversation, profile: Profile, draw: Draw) -> Move:
    """Return the move by which a model of this profile tries to make the planned call.

    At most one thing goes wrong in an answer. One that cannot (there is no call to repeat, no
    argument to leave out) does not.
    """
    for mode, blunder in _BLUNDERS.items():
        if draw(mode) < getattr(profile, mode):
            move = blunder(planned, conversation, draw)
            if move is not None:
                return move
    return as_planned(planned)


def as_planned(call: ToolCall) -> Use:
    """Return the move that makes a call as it should be made."""
    return Use(call.name, json.dumps(dict(call.arguments), ensure_ascii=False))


def _stop_early(_planned: ToolCall, _conversation: Conversation, _draw: Draw) -> Move:
    return Say("I have looked into this far enough and stop here.")


def _repeat(_planned: ToolCall, conversation: Conversation, _draw: Draw) -> Move | None:
    return as_planned(conversation.exchanges[-1].call) if conversation.exchanges else None


def _wrong_tool(planned: ToolCall, conversation: Conversation, draw: Draw) -> Move | None:
    others = sorted(set(conversation.offered) - {planned.name, SUBMIT})
    if not others:
        return None
    name = others[int(draw("which tool") * len(others))]
    return as_planned(ToolCall(name, _filled(conversation.offered[name])))


def _unknown_tool(planned: ToolCall, conversation: Conversation, _draw: Draw) -> Move | None:
    name = f"run_{planned.name}"
    return None if name in conversation.offered else Use(name, as_planned(planned).arguments)


def _missing_argument(planned: ToolCall, _conversation: Conversation, draw: Draw) -> Move | None:
    names = sorted(planned.arguments)
    if not names:
        return None
    dropped = names[int(draw("which argument") * len(names))]
    kept = {name: value for name, value in planned.arguments.items() if name != dropped}
    return as_planned(ToolCall(planned.name, kept))


def _malformed_arguments(planned: ToolCall, _conversation: Conversation, draw: Draw) -> Move:
    text = as_planned(planned).arguments
    return Use(planned.name, text[: 1 + int(draw("where it breaks off") * (len(text) - 1))])


def _sloppy(planned: ToolCall, _conversation: Conversation, draw: Draw) -> Move | None:
    if planned.name != SUBMIT:
        return None
    try:
        artifact = json.loads(str(planned.arguments.get("answer")))
    except ValueError:
        return None
    kept = 0.5 * draw("how much is kept")
    answer = json.dumps(_thinned(artifact, kept), ensure_ascii=False)
    return as_planned(ToolCall(SUBMIT, {**planned.arguments, "answer": answer}))


def _thinned(value: object, kept: float) -> object:
    """Return ``value`` with the last items of each of its lists gone; the first one stays."""
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {key: _thinned(item, kept) for key, item in fields.items()}
    if isinstance(value, list):
        items = cast("list[object]", value)
        return items[: max(1, int(kept * len(items)))]
    return value


def _filled(parameters: Parameters) -> dict[str, Any]:
    """Return arguments that satisfy an ordinary schema and mean nothing."""
    return {name: _filler(parameters.schema_of(name)) for name in parameters.required}


def _filler(schema: Mapping[str, Any]) -> object:
    allowed = schema.get("enum")
    return allowed[0] if allowed else _FILLERS.get(str(schema.get("type")), "unknown")


_BLUNDERS: Mapping[str, Callable[[ToolCall, Conversation, Draw], Move | None]] = {
    "stop_early": _stop_early,
    "repeat": _repeat,
    "wrong_tool": _wrong_tool,
    "unknown_tool": _unknown_tool,
    "missing_argument": _missing_argument,
    "malformed_arguments": _malformed_arguments,
    "sloppy": _sloppy,
}
