"""Reading what agents hand in, and what hidden tools answer: JSON, from hands not to be trusted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn, cast

from fleetgym.contracts.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fleetgym.contracts.tools import ToolCall, ToolResult

__all__ = ["ask", "read_object"]

_KINDS = {
    list: "an array", str: "a string", int: "a number", float: "a number", bool: "true or false",
    type(None): "null",
}  # fmt: skip


def read_object(answer: str, keys: Sequence[str]) -> dict[str, Any]:
    """Return the JSON object in an answer, which may stand in a Markdown code fence.

    Args:
        answer: What was handed in.
        keys: Named when there is no object; not checked.

    Raises:
        ToolError: It is not one JSON object; the text says what to fix.
    """
    try:
        artifact = json.loads(_unfenced(answer.strip()), parse_constant=_refuse)
        # Half a surrogate pair is legal in JSON's escapes and in no encoding.
        json.dumps(artifact, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ToolError("The answer is nested too deeply. Submit a flat JSON object.") from error
    except UnicodeEncodeError as error:
        raise ToolError("The answer holds a lone surrogate such as \\ud800. Remove it.") from error
    except ValueError as error:
        raise ToolError(
            f"The answer is not valid JSON: {error}. Submit one JSON object and nothing else."
        ) from error
    if not isinstance(artifact, dict):
        raise ToolError(
            f"The answer is JSON, but {_KINDS[type(artifact)]} and no object. Submit one JSON "
            f"object with the keys {', '.join(keys)}."
        )
    return cast("dict[str, Any]", artifact)


def _unfenced(text: str) -> str:
    opening, _, rest = text.partition("\n")
    fenced = opening.rstrip().lower() in ("```", "```json") and rest.endswith("```")
    return rest.removesuffix("```") if fenced else text


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def ask(execute: Callable[[ToolCall], ToolResult], call: ToolCall) -> dict[str, Any]:
    """Return the JSON object that a hidden tool answered; refusals become its ``error``."""
    result = execute(call)
    if result.is_error:
        return {"error": result.content}
    try:
        answer = json.loads(result.content)
    except ValueError:
        # The sandbox cuts results that are too long; so long a result is no detection.
        return {"error": "The result is too large to be graded."}
    return cast("dict[str, Any]", answer) if isinstance(answer, dict) else {"error": "No object."}
