"""How a chat request tells what has happened, and how a move is put into the answer.

Everything that depends on the form of the messages is here and in the modules that this one asks,
so that what follows a plan never sees a message. Which form a request has, it shows by itself:

- tools are offered in ``tools``, called by ``tool_calls`` and answered by messages of the role
  ``tool``;
- or answered by users (:mod:`fleetgym.policy.observed`), where the last word is a tool, too;
- or there are no ``tools``, and the prompt asks for ``Action`` and ``Action Input`` in plain text
  (:mod:`fleetgym.policy.react`);
- and words may have to be JSON (:mod:`fleetgym.policy.structured`).

A chat request has no flag for a failed call, so failure is read from the result's first words.
Results that are JSON are never taken for failures: what an ``error`` inside means is the tool's
own affair.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, ValidationError

from fleetgym.contracts.errors import ModelError
from fleetgym.contracts.json import canonical_json
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.policy.conversation import (
    Conversation,
    Exchange,
    Parameters,
    Use,
    call_text,
)
from fleetgym.policy.findings import holds_findings, read_findings, without_findings
from fleetgym.policy.observed import observed
from fleetgym.policy.react import asks_for_text, observations, offered_in, written_out
from fleetgym.policy.roster import read_roster
from fleetgym.policy.structured import put_into

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from fleetgym.policy.conversation import Move
    from fleetgym.policy.roster import Roster

__all__ = ["looks_failed", "read", "write"]

# `Error: …`, `[ERROR] …`, `ToolException('…')`, `Tool call failed: …`; no heading of a document.
_FAILED = re.compile(r"(?!\s*#)\W{0,8}(?:\w+\s){0,2}\w*(?:error|exception|failed)\b", re.IGNORECASE)
_TOLD = frozenset({"system", "developer", "user"})
_SAID = frozenset({"system", "developer", "user", "assistant"})
_JSON = re.compile(r"""\s*(?:\{|"|\[\s*["\[\]{\d-])""")


class _Function(BaseModel):
    name: str
    arguments: str = ""


class _ToolCall(BaseModel):
    id: str = ""
    function: _Function | None = None


class _Message(BaseModel):
    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(str(part.get("text", "")) for part in self.content)
        return self.content or ""


class _Declaration(BaseModel):
    name: str
    parameters: Parameters = Field(default_factory=Parameters)


class _Tool(BaseModel):
    function: _Declaration | None = None


class _Body(BaseModel):
    messages: list[_Message]
    tools: list[_Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None


def read(body: Mapping[str, Any]) -> Conversation:
    """Return what the body of a chat request tells.

    Raises:
        ModelError: The body is not of the form that OpenAI documents; status 400.
    """
    try:
        chat = _Body.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{where}: {first['msg']}.", status=400) from None
    begun = _begun(chat.messages)
    text_form = _asks_for_text(chat)
    exchanges = _in_text(chat.messages) if text_form else _exchanges(chat.messages)
    team = read_roster("\n".join(m.text for m in chat.messages if m.role in _TOLD))
    return Conversation(
        prompt=_joined(begun, _TOLD),
        task=_joined(begun, {"user"}),
        exchanges=tuple(exchanges),
        reported=_reported(chat.messages, exchanges, team),
        spoken=team is not None
        and any(m.role == "user" and holds_findings(m.text) for m in chat.messages),
        team=team,
        several=_takes_several(chat),
        offered=offered_in(_joined(begun, _TOLD)) if text_form else _offered(chat),
    )


def write(move: Move, call_id: str, body: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the assistant message that makes ``move``, and its finish reason.

    Args:
        move: What the model does.
        call_id: Names the call, if it makes one, and begins the names of those beside it.
        body: The request, as :func:`read` took it.
    """
    if isinstance(move, Use) and body.get("tools"):
        return _call(move, call_id), "tool_calls"
    chat = _Body.model_validate(body)
    if _asks_for_text(chat):
        return {"role": "assistant", "content": written_out(move)}, "stop"
    if isinstance(move, Use):
        return _call(move, call_id), "tool_calls"
    last = _last_word(chat) if chat.tool_choice == "required" else None
    if last is not None:
        name, argument = last
        words = json.dumps({argument: move.text}, ensure_ascii=False)
        return _call(Use(name, words), call_id), "tool_calls"
    content = put_into(chat.response_format or {}, move.text)
    return {"role": "assistant", "content": content}, "stop"


def _call(move: Use, call_id: str) -> dict[str, Any]:
    identities = (call_id, *(f"{call_id}_{number}" for number in range(1, len(move.beside) + 1)))
    tool_calls = [
        {
            "id": identity,
            "type": "function",
            "function": {"name": use.name, "arguments": use.arguments},
        }
        for identity, use in zip(identities, (move, *move.beside), strict=True)
    ]
    return {"role": "assistant", "content": move.said or None, "tool_calls": tool_calls}


def _offered(chat: _Body) -> dict[str, Parameters]:
    if chat.tool_choice == "none":
        return {}
    return {t.function.name: t.function.parameters for t in chat.tools or [] if t.function}


def _asks_for_text(chat: _Body) -> bool:
    return not chat.tools and any(m.role in _TOLD and asks_for_text(m.text) for m in chat.messages)


def _takes_several(chat: _Body) -> bool:
    """Return whether several calls may be asked for, and their results be told apart."""
    as_words = chat.tool_choice == "required" and _last_word(chat) is not None
    return bool(chat.tools) and chat.parallel_tool_calls is not False and not as_words


def _last_word(chat: _Body) -> tuple[str, str] | None:
    """Return the tool that takes the last word where a tool has to be called, and its parameter."""
    for name, parameters in _offered(chat).items():
        if "final" in name.lower() and parameters.properties:
            return name, next(iter(parameters.properties))
    return None


def _begun(messages: list[_Message]) -> list[_Message]:
    """Return the messages from before the model first spoke; all, when users said nothing there."""
    first_said = next((n for n, m in enumerate(messages) if m.role == "assistant"), None)
    begun = messages[:first_said]
    return begun if any(m.role == "user" for m in begun) else messages


def _joined(messages: list[_Message], roles: Set[str]) -> str:
    return "\n\n".join(without_findings(m.text) for m in messages if m.role in roles)


def _reported(
    messages: list[_Message], exchanges: Sequence[Exchange], team: Roster | None
) -> tuple[Exchange, ...]:
    """Return what members tell each other; what the task's own tools say is nobody's word."""
    if team is None:
        return ()
    texts = [m.text for m in messages if m.role in _SAID]
    texts += [e.result.content for e in exchanges if e.call.name not in team.owners]
    found = {(call_text(e.call), e.result): e for text in texts for e in read_findings(text)}
    return tuple(found.values())


def _exchanges(messages: list[_Message]) -> list[Exchange]:
    results = {m.tool_call_id: _result(m.text) for m in messages if m.role == "tool"}
    found = [
        Exchange(call=ToolCall(name, arguments), result=_result(result))
        for name, arguments, result in observed([(m.role, m.text) for m in messages])
    ]
    for tool_call in (c for m in messages for c in m.tool_calls or ()):
        result = results.get(tool_call.id)
        arguments = _arguments(tool_call.function.arguments) if tool_call.function else None
        if result is not None and tool_call.function is not None and arguments is not None:
            found.append(Exchange(call=ToolCall(tool_call.function.name, arguments), result=result))
    return found


def _in_text(messages: list[_Message]) -> list[Exchange]:
    """Return the calls that stand in texts, with their results."""
    found: list[Exchange] = []
    for name, given, result in observations([m.text for m in messages]):
        arguments = _arguments(given)
        if arguments is not None:
            found.append(Exchange(call=ToolCall(name, arguments), result=_result(result)))
    return found


def _arguments(text: str) -> Mapping[str, Any] | None:
    try:
        value = json.loads(text or "{}")
        canonical_json(value)  # refuses NaN and infinity, which Python's parser lets pass
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]


def _result(text: str) -> ToolResult:
    return ToolResult(text, is_error=looks_failed(text))


def looks_failed(text: str) -> bool:
    """Return whether a tool's result is taken for a failure, which requests do not say."""
    return not _JSON.match(text) and bool(_FAILED.match(text))
