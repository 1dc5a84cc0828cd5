"""A run's own server: how many connections an agent may hold open."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator

from aiohttp import web

from fleetgym.executors.connection import WorkerExit, WorkerHandle
from fleetgym.executors.serving import MAX_CONNECTIONS, serve_run

ASK = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def test_connections_beyond_the_limit_are_refused_and_those_that_close_make_room() -> None:
    async with served() as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CONNECTIONS)]

        assert not await answered(port)
        for _, writer in idle[:2]:
            writer.close()
            await writer.wait_closed()
        await asyncio.wait_for(_until_answered(port), 30)

        for _, writer in idle[2:]:
            writer.close()
            await writer.wait_closed()


async def _until_answered(port: int) -> None:
    """The server learns of a connection's end a moment after the client."""
    while not await answered(port):
        pass


async def answered(port: int) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = b""
    # One that is refused may be gone before it has said anything.
    with contextlib.suppress(ConnectionError):
        writer.write(ASK)
        await writer.drain()
        said = await reader.readline()
    writer.close()
    assert said in {b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 503 Service Unavailable\r\n"}
    return b"200" in said


@contextlib.asynccontextmanager
async def served() -> AsyncGenerator[int]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]
    handle = WorkerHandle(lambda: None)
    handle.take_listener(listener)
    serving = asyncio.create_task(serve_run(runner, handle))
    try:
        yield port
    finally:
        handle.take_exit(WorkerExit())
        await serving
        await runner.cleanup()
