"""The standard streams of a container, as asyncio's own processes have them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fleetgym.sandboxes.launch import LINE_LIMIT

if TYPE_CHECKING:
    import socket

__all__ = ["Streams", "open_streams"]

_HEADER = 8
_STDERR = 2


class Streams(asyncio.StreamReaderProtocol):
    """Tells standard output from standard error.

    The daemon sends both over one connection, in frames: a header of eight bytes (which stream,
    three bytes of nothing, four bytes of length, the highest first), then the content.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.stdout = asyncio.StreamReader(limit=LINE_LIMIT, loop=loop)
        self.stderr = asyncio.StreamReader(loop=loop)
        super().__init__(self.stdout, loop=loop)
        self._header = b""
        self._left = 0
        """Bytes of the current frame that are to come."""

    def data_received(self, data: bytes) -> None:
        """Take what came, wherever frames begin and end in it."""
        rest = memoryview(data)
        while rest:
            if self._left == 0:
                missing = _HEADER - len(self._header)
                self._header += bytes(rest[:missing])
                rest = rest[missing:]
                if len(self._header) < _HEADER:
                    return
                self._left = int.from_bytes(self._header[4:], "big")
                self._is_error = self._header[0] == _STDERR
                self._header = b""
                continue
            piece = bytes(rest[: self._left])
            rest = rest[self._left :]
            self._left -= len(piece)
            if self._is_error:
                self.stderr.feed_data(piece)
            else:
                # It holds the transport back while nobody reads, which bounds what is kept.
                super().data_received(piece)

    def eof_received(self) -> bool:
        """Close our side, too: the container is gone, or the daemon."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End both streams. An error says no more than the end does: the container is gone."""
        del exc
        self.stderr.feed_eof()
        super().connection_lost(None)


async def open_streams(attached: socket.socket) -> tuple[Streams, asyncio.StreamWriter]:
    """Return a container's output and its input, over a connection that is attached to it."""
    loop = asyncio.get_running_loop()
    transport, streams = await loop.create_connection(Streams, sock=attached)
    return streams, asyncio.StreamWriter(transport, streams, streams.stdout, loop)
