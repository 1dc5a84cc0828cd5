"""What an agent can call, what it called, and what it got."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SUBMIT", "ToolCall", "ToolResult", "ToolSpec", "cut"]

SUBMIT = "submit"
"""The tool that hands in the artifact and ends the episode."""

# What OpenAI-compatible providers accept as a function name.
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """Describes one tool, as MCP and chat completions do."""

    name: str
    """1 to 64 letters, digits, underscores or hyphens."""

    description: str
    """For the agent: what it gives, its limits, what to try when it fails."""

    parameters: Mapping[str, Any]
    """JSON Schema of the arguments, of type ``object``."""

    destructive: bool = False
    """Whether a call may destroy something (MCP's ``destructiveHint``)."""

    version: str = "1"
    """Moves when a call with the same arguments may give another answer."""

    scopes: tuple[str, ...] = field(default=(), compare=False)
    """What a call touches, for those who review: ``telemetry:read``, ``scratch:write``. Agents are
    not told.
    """

    def __post_init__(self) -> None:
        """Reject what no provider would accept."""
        if not _NAME.fullmatch(self.name):
            raise SpecError(
                f"Tool name {self.name!r} must be 1 to 64 letters, digits, underscores or hyphens."
            )
        if self.parameters.get("type") != "object":
            raise SpecError(f"Tool {self.name!r}: its parameters must be a schema of type object.")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call, as the agent asked for it; the arguments need not be valid."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the agent is shown."""

    content: str
    is_error: bool = False
    """True when the call was refused or failed; ``content`` then says what to try."""


def cut(text: str, most: int) -> str:
    """Return text that takes at most so many bytes; when some were cut, a line more says so."""
    # What an agent sent may come back, and half a surrogate pair cannot be sent.
    data = text.encode(errors="replace")
    if len(data) <= most:
        return data.decode()
    kept = data[:most].decode(errors="ignore")
    return f"{kept}\n[cut: {len(kept.encode())} of {len(data)} bytes are shown; ask for less]"
