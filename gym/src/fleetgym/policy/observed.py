"""Calls whose results come as words of the user, as smolagents sends them.

The call stands in a text as a Python list, ``Calling tools:``, the result in the next one, after
``Observation:``, or after ``Error:`` if it failed. Of several calls at once, nobody can say whose
the result is.
"""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.json import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["observed"]

_CALLING = "Calling tools:\n"
_OBSERVATION = "Observation:\n"
_ERROR = "Error:\n"


def observed(messages: Sequence[tuple[str, str]]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield name, arguments and result of each call that a user answers.

    Args:
        messages: Role and text of each.
    """
    called: tuple[str, Mapping[str, Any]] | None = None
    for role, text in messages:
        if role == "assistant":
            called = _called(text.partition(_CALLING)[2]) if _CALLING in text else None
        elif role == "user" and called is not None:
            result = _result(text)
            if result is not None:
                yield *called, result
                called = None


def _called(text: str) -> tuple[str, Mapping[str, Any]] | None:
    try:
        (call,) = ast.literal_eval(text.strip())
        arguments: Any = call["function"]["arguments"]
        if isinstance(arguments, str):
            arguments = json.loads(arguments)
        canonical_json(dict(arguments))
        return str(call["function"]["name"]), dict(arguments)
    except (ValueError, TypeError, LookupError, SyntaxError, RecursionError, MemoryError):
        return None


def _result(text: str) -> str | None:
    _, found, result = text.partition(_OBSERVATION)
    if found:
        return result
    _, failed, error = text.partition(_ERROR)
    return f"Error: {error}" if failed else None
