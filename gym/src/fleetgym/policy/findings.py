"""What one member of a team tells another: the calls that were made, and what came of them.

A block of JSON lines in a message's text. It travels as any text does, so whatever a framework
cuts, rewrites or does not pass on is not known to whoever reads.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.json import canonical_json
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.policy.conversation import Exchange
from fleetgym.policy.secrets import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["holds_findings", "read_findings", "without_findings", "written"]

_OPENING = "```findings\n"
_BLOCK = re.compile(r"```findings\n(.*?)(?:\n```|\Z)", re.DOTALL)


def written(exchanges: Iterable[Exchange]) -> str:
    """Return a text that tells of ``exchanges``, without credentials; empty when there are none."""
    lines = [
        json.dumps(
            {
                "tool": exchange.call.name,
                "arguments": dict(exchange.call.arguments),
                "result": without_secrets(exchange.result.content),
                "failed": exchange.result.is_error,
            },
            ensure_ascii=False,
        )
        for exchange in exchanges
    ]
    return "\n".join((_OPENING.rstrip(), *lines, "```")) if lines else ""


def read_findings(text: str) -> list[Exchange]:
    """Return what a text tells of, the same thing once; lines that are torn are passed over."""
    found: dict[str, Exchange] = {}
    if _OPENING in text:
        for block in _BLOCK.findall(text):
            for line in block.split("\n"):
                exchange = _exchange(line)
                if exchange is not None:
                    found.setdefault(line, exchange)
    return list(found.values())


def holds_findings(text: str) -> bool:
    """Return whether a text tells of calls."""
    return _OPENING in text


def without_findings(text: str) -> str:
    """Return a text without what it tells of."""
    return _BLOCK.sub("", text) if _OPENING in text else text


def _exchange(line: str) -> Exchange | None:
    try:
        told: Any = json.loads(line)
        canonical_json(told["arguments"])
        return Exchange(
            call=ToolCall(str(told["tool"]), dict(told["arguments"])),
            result=ToolResult(str(told["result"]), is_error=bool(told["failed"])),
        )
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
