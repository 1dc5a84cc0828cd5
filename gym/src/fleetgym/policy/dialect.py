"""How a chat request tells what has happened, and how a move is put into the answer.

Everything that depends on the form of the messages is here, so that what follows a plan never
sees a message. This is the native form: tools are offered in ``tools``, called by ``tool_calls``
and answered by messages of the role ``tool``. Another form is another pair of :func:`read` and
:func:`write`.

A chat request has no flag for a failed call, so failure is read from the result's first words.
Results that are JSON are never taken for failures: what an ``error`` inside means is the tool's
own affair.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import BaseModel, Field, ValidationError

from fleetgym.contracts.errors import ModelError
from fleetgym.contracts.json import canonical_json
from fleetgym.contracts.tools import ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Conversation",
    "Exchange",
    "Move",
    "Parameters",
    "Say",
    "Use",
    "looks_failed",
    "read",
    "write",
]

# `Error: …`, `[ERROR] …`, `ToolException('…')`, `Tool call failed: …`; no heading of a document.
_FAILED = re.compile(r"(?!\s*#)\W{0,8}(?:\w+\s){0,2}\w*(?:error|exception|failed)\b", re.IGNORECASE)
_JSON = re.compile(r"""\s*(?:\{|"|\[\s*["\[\]{\d-])""")


@dataclass(frozen=True, slots=True)
class Say:
    """The model closes its turn with a text."""

    text: str


@dataclass(frozen=True, slots=True)
class Use:
    """The model asks for a tool."""

    name: str
    arguments: str
    """As a model writes them: JSON, unless it blundered."""

    said: str = ""
    """What it writes beside the call."""


Move: TypeAlias = "Say | Use"


class Parameters(BaseModel):
    """What matters here of the JSON Schema of a tool's arguments."""

    properties: dict[str, dict[str, Any] | bool] = Field(default_factory=dict)
    required: list[str] = Field(default_factory=list)

    def schema_of(self, name: str) -> Mapping[str, Any]:
        """Return the schema of one argument; an empty one when nothing is said of it."""
        found = self.properties.get(name)
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A call that the model asked for, and the result it was shown."""

    call: ToolCall
    result: ToolResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What a chat request tells."""

    prompt: str
    """System and user messages from before the model first spoke, a blank line between two.

    Later ones are how a framework leads the conversation. All of them, when the first ones are
    no longer among the messages.
    """

    exchanges: tuple[Exchange, ...] = ()
    """Oldest first; calls without a result and calls whose arguments are not JSON left out."""

    offered: Mapping[str, Parameters] = field(default_factory=dict[str, "Parameters"])
    """What the tools take that may be called now, by name."""


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
    return Conversation(
        prompt=_prompt(chat.messages),
        exchanges=tuple(_exchanges(chat.messages)),
        offered={}
        if chat.tool_choice == "none"
        else {t.function.name: t.function.parameters for t in chat.tools or [] if t.function},
    )


def write(move: Move, call_id: str) -> tuple[dict[str, Any], str]:
    """Return the assistant message that makes ``move``, and its finish reason."""
    if isinstance(move, Say):
        return {"role": "assistant", "content": move.text}, "stop"
    function = {"name": move.name, "arguments": move.arguments}
    tool_call = {"id": call_id, "type": "function", "function": function}
    message = {"role": "assistant", "content": move.said or None, "tool_calls": [tool_call]}
    return message, "tool_calls"


def _prompt(messages: list[_Message]) -> str:
    first_said = next((n for n, m in enumerate(messages) if m.role == "assistant"), None)
    begun = messages[:first_said]
    source = begun if any(m.role == "user" for m in begun) else messages
    return "\n\n".join(m.text for m in source if m.role in {"system", "developer", "user"})


def _exchanges(messages: list[_Message]) -> list[Exchange]:
    results = {m.tool_call_id: _result(m.text) for m in messages if m.role == "tool"}
    found: list[Exchange] = []
    for tool_call in (c for m in messages for c in m.tool_calls or ()):
        result = results.get(tool_call.id)
        arguments = _arguments(tool_call.function.arguments) if tool_call.function else None
        if result is not None and tool_call.function is not None and arguments is not None:
            found.append(Exchange(call=ToolCall(tool_call.function.name, arguments), result=result))
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
