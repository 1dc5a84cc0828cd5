"""Server-sent events, as chat completions are streamed in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

__all__ = ["DONE", "encode", "payloads"]

DONE = "[DONE]"
"""The payload that ends a stream."""


def encode(payload: Mapping[str, Any] | str) -> bytes:
    """Return one event."""
    text = payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"))
    return b"data: " + text.encode() + b"\n\n"


async def payloads(pieces: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Yield the payload of each event in a stream that is cut into pieces anywhere.

    An event that the stream's end cuts off is none.
    """
    rest = b""
    data: list[str] = []
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            text = line.rstrip(b"\r").decode("utf-8", "replace")
            if text.startswith("data:"):
                data.append(text.removeprefix("data:").removeprefix(" "))
            elif not text and data:
                yield "\n".join(data)
                data = []
