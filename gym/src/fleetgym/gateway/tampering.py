"""Changes a model's message, so that it says what a model in trouble would say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from fleetgym.contracts.faults import ModelFaultKind
from fleetgym.contracts.json import canonical_json
from fleetgym.gateway.completions import objects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["TAMPERING", "Tampered", "again"]

Tampered = tuple[dict[str, Any], str]
"""A message and its finish reason."""


def _truncated(message: Mapping[str, Any], _tools: Sequence[Any]) -> Tampered:
    if message.get("tool_calls"):
        return _with_arguments(message, _half(_arguments(message))), "length"
    return {**message, "content": _half(message.get("content") or "")}, "length"


def _malformed(message: Mapping[str, Any], _tools: Sequence[Any]) -> Tampered | None:
    arguments = _arguments(message)
    return (_with_arguments(message, _half(arguments)), "tool_calls") if arguments else None


def _missing(message: Mapping[str, Any], tools: Sequence[Any]) -> Tampered | None:
    try:
        arguments: dict[str, Any] = dict(json.loads(_arguments(message)))
    except (ValueError, TypeError):
        return None
    dropped = next((name for name in _required(message, tools) if name in arguments), None)
    dropped = dropped or next(iter(arguments), None)
    if dropped is None:
        return None
    kept = {name: value for name, value in arguments.items() if name != dropped}
    return _with_arguments(message, json.dumps(kept, ensure_ascii=False)), "tool_calls"


def _unknown(message: Mapping[str, Any], _tools: Sequence[Any]) -> Tampered | None:
    calls = message.get("tool_calls")
    if not calls:
        return None
    function = {**calls[0]["function"], "name": f"{calls[0]['function']['name']}_v2"}
    return {**message, "tool_calls": [{**calls[0], "function": function}, *calls[1:]]}, "tool_calls"


TAMPERING: Mapping[
    ModelFaultKind, Callable[[Mapping[str, Any], Sequence[Any]], Tampered | None]
] = {
    ModelFaultKind.TRUNCATED: _truncated,
    ModelFaultKind.MALFORMED_ARGUMENTS: _malformed,
    ModelFaultKind.MISSING_ARGUMENT: _missing,
    ModelFaultKind.UNKNOWN_TOOL: _unknown,
}
"""Takes a message and the request's tools; None where there is nothing to be changed."""


def again(messages: Sequence[Any], identity: str, *, different: bool) -> Tampered | None:
    """Return a message that asks for a call from earlier in the conversation once more.

    Args:
        messages: The request's.
        identity: Of the call.
        different: Ask for the last one that differs from the call before; else for that one.

    Returns:
        None when no call was made yet.
    """
    calls: dict[str, dict[str, Any]] = {}
    for message in messages:
        for call in message.get("tool_calls") or ():
            function = cast("dict[str, Any]", call["function"])
            key = canonical_json([function["name"], function["arguments"]])
            calls.pop(key, None)  # the latest comes last
            calls[key] = function
    if not calls:
        return None
    function = list(calls.values())[-2 if different and len(calls) > 1 else -1]
    call = {"id": identity, "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"


def _arguments(message: Mapping[str, Any]) -> str:
    calls = message.get("tool_calls")
    return calls[0]["function"]["arguments"] if calls else ""


def _with_arguments(message: Mapping[str, Any], arguments: str) -> dict[str, Any]:
    first, *others = message["tool_calls"]
    function = {**first["function"], "arguments": arguments}
    return {**message, "tool_calls": [{**first, "function": function}, *others]}


def _half(text: str) -> str:
    return text[: max(1, len(text) // 2)]


def _required(message: Mapping[str, Any], tools: Sequence[Any]) -> Sequence[str]:
    name = message["tool_calls"][0]["function"]["name"]
    for function in objects([tool.get("function") for tool in objects(list(tools))]):
        if function.get("name") == name:
            return function.get("parameters", {}).get("required", ())
    return ()
