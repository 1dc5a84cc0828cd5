"""What a model knows when it is asked, and what it can do about it; no word of any format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import BaseModel, Field

from fleetgym.contracts.json import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.tools import ToolCall, ToolResult
    from fleetgym.policy.roster import Roster

__all__ = ["Conversation", "Exchange", "Move", "Parameters", "Say", "Use", "call_text"]


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

    beside: tuple[Use, ...] = ()
    """Further calls that it asks for in the same answer."""


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

    several: bool = False
    """Whether an answer may ask for several calls."""

    task: str = ""
    """The part of :attr:`prompt` that users said."""

    reported: tuple[Exchange, ...] = ()
    """Calls that messages tell of, of whoever made them, each once; oldest first."""

    spoken: bool = False
    """Whether a colleague has told of calls in plain words, as users speak."""

    team: Roster | None = None
    """None when the model is alone."""


def call_text(call: ToolCall) -> str:
    """Return a text that equal calls share, and others do not."""
    return f"{call.name} {canonical_json(dict(call.arguments))}"
