from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleetgym.gateway import sse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

STREAM = (
    b": a comment\n\n"
    b'data: {"a": "\xc3\xa4"}\r\n\r\n'
    b"event: message\nid: 1\ndata:two\ndata: lines\n\n"
    b"data: cut off"
)


async def pieces(size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(STREAM), size):
        yield STREAM[at : at + size]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_events_are_read_wherever_the_network_cuts_them(size: int) -> None:
    payloads = [payload async for payload in sse.payloads(pieces(size))]
    assert payloads == ['{"a": "ä"}', "two\nlines"]


async def test_what_is_encoded_is_read_back() -> None:
    async def one() -> AsyncIterator[bytes]:
        yield sse.encode({"text": "line\nend ä"}) + sse.encode(sse.DONE)

    payloads = [payload async for payload in sse.payloads(one())]
    assert payloads == ['{"text":"line\\nend \\u00e4"}', sse.DONE]
