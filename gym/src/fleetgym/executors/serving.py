"""Answers a run in its own network, where nobody else does."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from fleetgym.contracts.errors import OperatorError

if TYPE_CHECKING:
    import socket

    from aiohttp import web

    from fleetgym.executors.connection import WorkerHandle

__all__ = ["MAX_CONNECTIONS", "serve_run"]

MAX_CONNECTIONS = 128
"""Open at a time, of one run; frameworks have been seen to use up to six."""

_REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_PAUSE_S = 0.1


async def serve_run(runner: web.AppRunner, handle: WorkerHandle) -> None:
    """Let a server answer on the socket that a run's process has handed over, until it ends.

    Connections beyond :data:`MAX_CONNECTIONS`, used or idle, are answered with 503 and closed.
    """
    listener = await handle.listener()
    if listener is None:
        return
    accepting = asyncio.create_task(_accept(runner, listener))
    try:
        await handle.gone()
    finally:
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)
        listener.close()


async def _accept(runner: web.AppRunner, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    server = runner.server
    if server is None:
        raise OperatorError("A run cannot be served before its lane is open.")
    in_use: set[asyncio.BaseTransport] = set()
    try:
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError:  # hung up already, or no descriptor is free in this moment
                await asyncio.sleep(_PAUSE_S)
                continue
            in_use = {transport for transport in in_use if not transport.is_closing()}
            if len(in_use) < MAX_CONNECTIONS:
                transport, _ = await loop.connect_accepted_socket(server, connection)
                in_use.add(transport)
                continue
            with connection, contextlib.suppress(OSError):
                connection.send(_REFUSAL)
                connection.recv(1 << 16)  # what is unread when it closes would take the answer back
    finally:
        for transport in in_use:
            transport.close()
