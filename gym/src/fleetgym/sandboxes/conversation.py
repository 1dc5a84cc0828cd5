"""The host's end of one episode: MCP with the process that serves it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import mcp_types as types
from mcp import ClientSession
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage

from fleetgym.contracts.errors import SandboxError, SandboxTimeout
from fleetgym.contracts.tools import ToolResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from fleetgym.contracts.sandbox import Limits
    from fleetgym.contracts.tools import ToolCall

__all__ = ["BEGIN_S", "MAX_CALL_BYTES", "PATIENCE_S", "Conversation", "refuse"]

_T = TypeVar("_T")

BEGIN_S = 20.0
"""How long the process may take to shake hands."""

PATIENCE_S = 10.0
"""How long past a call's own deadline its answer is waited for."""

MAX_CALL_BYTES = 1024**2
"""Of one call, as JSON."""


class Conversation:
    """MCP with the process of one episode. Belongs to one event loop."""

    def __init__(
        self,
        send: Callable[[SessionMessage], Awaitable[None]],
        last_words: Callable[[], str],
        limits: Limits,
        *,
        modern: bool = False,
        known: types.DiscoverResult | None = None,
    ) -> None:
        """Begin nothing yet.

        Args:
            send: Sends a message to the process; raises ``SandboxError`` when it is gone.
            last_words: Returns what the process wrote to standard error.
            limits: Those of the episode.
            modern: The server speaks a protocol that needs no handshake (2026-07-28 or later).
            known: What a modern server has said of itself before; it is not asked again.
        """
        self._send = send
        self._last_words = last_words
        self._limits = limits
        self._session: ClientSession | None = None
        self._to_session: MemoryObjectSendStream[SessionMessage | Exception] | None = None
        self._task: asyncio.Task[None] | None = None
        self._modern = modern
        self.known = known
        """What a modern server has said of itself."""
        self.late = False
        """Whether an answer did not come in time, and may come yet."""
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the process has died, or is not wanted any more."""

    async def begin(self, *, seconds: float = BEGIN_S) -> None:
        """Shake hands.

        Raises:
            SandboxError: It died, or did not answer in so many seconds.
        """
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._converse(ready))
        await asyncio.wait(
            {ready, self.over, self._task}, timeout=seconds, return_when="FIRST_COMPLETED"
        )
        if not ready.done():
            self.late = True
            why = f": {_cause(self._task)}" if self._task.done() else ""
            raise SandboxError(f"The episode was not begun{why}. {self._last_words()}")

    async def call(self, call: ToolCall) -> ToolResult:
        """Call a tool, and wait for its answer no longer than it may take."""
        refusal = refuse(call)
        if refusal is not None:
            return refusal
        try:
            result = await self.request_call(
                call.name, call.arguments, self._limits.call_seconds + PATIENCE_S
            )
        except SandboxError:
            raise
        except Exception as error:
            raise SandboxError(f"{call.name} failed in the sandbox: {error}") from error
        text = "".join(part.text for part in result.content if isinstance(part, types.TextContent))
        return ToolResult(text, is_error=bool(result.is_error))

    async def request_call(
        self, name: str, arguments: Mapping[str, Any], seconds: float
    ) -> types.CallToolResult:
        """Send the request that calls a tool; raises as :meth:`ask` does."""
        request = types.CallToolRequest(
            params=types.CallToolRequestParams(name=name, arguments=dict(arguments))
        )
        # Not `call_tool`, which lists the tools first: 3 ms an episode.
        return await self.ask(
            name, lambda session: session.send_request(request, types.CallToolResult), seconds
        )

    async def ask(
        self, what: str, request: Callable[[ClientSession], Coroutine[Any, Any, _T]], seconds: float
    ) -> _T:
        """Make a request of the server; one that is late is cancelled.

        Raises:
            SandboxTimeout: It was not answered in time.
            SandboxError: The process is gone.
            Exception: What the session raises for an answer that is an error, or malformed.
        """
        if self._session is None or self.over.done():
            raise SandboxError(f"The tool server is gone. {self._last_words()}")
        asked = asyncio.create_task(request(self._session))
        try:
            await asyncio.wait({asked, self.over}, timeout=seconds, return_when="FIRST_COMPLETED")
        finally:
            answered = asked.done()
            asked.cancel()
        if not answered:
            self.late = not self.over.done()
            raise self._silence(what, seconds)
        return asked.result()

    def _silence(self, tool: str, deadline: float) -> SandboxError:
        if self.late:
            return SandboxTimeout(f"{tool} did not answer within {deadline:g} s.")
        return SandboxError(f"The tool server died during {tool}. {self._last_words()}")

    async def receive(self, message: SessionMessage) -> None:
        """Take a message from the process."""
        if self._to_session is not None:
            with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await self._to_session.send(message)

    def die(self) -> None:
        """Note that the process is gone."""
        if not self.over.done():
            self.over.set_result(None)

    async def end(self) -> None:
        """Hang up."""
        self.die()
        if self._task is not None:
            if self._session is None:
                self._task.cancel()  # it still waits for the other's hand
            await asyncio.gather(self._task, return_exceptions=True)

    async def _converse(self, ready: asyncio.Future[None]) -> None:
        """Hold the session open until the episode is over."""
        to_session, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](64)
        to_server, from_session = anyio.create_memory_object_stream[SessionMessage](64)
        self._to_session = to_session
        writing = asyncio.create_task(self._write(from_session))
        try:
            async with ClientSession(from_server, to_server) as session:
                await self._shake_hands(session)
                self._session = session
                ready.set_result(None)
                await self.over
        finally:
            self._session = self._to_session = None
            writing.cancel()
            for stream in (to_session, from_server, to_server, from_session):
                stream.close()

    async def _shake_hands(self, session: ClientSession) -> None:
        if self.known is not None:
            session.adopt(self.known)
        elif self._modern:
            self.known = await session.discover()
        else:
            try:
                await session.initialize()
            except MCPError:
                await session.discover()

    async def _write(self, from_session: MemoryObjectReceiveStream[SessionMessage]) -> None:
        with contextlib.suppress(SandboxError):  # who reads its output notes that it is gone
            async for message in from_session:
                await self._send(message)


def _cause(task: asyncio.Task[None]) -> BaseException | None:
    error = task.exception()
    while isinstance(error, BaseExceptionGroup):  # the session's own tasks raise those
        error = error.exceptions[0]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return error  # pyright: ignore[reportUnknownVariableType]


def refuse(call: ToolCall) -> ToolResult | None:
    """Return what to tell the agent when its call cannot be sent at all."""
    try:
        size = len(json.dumps([call.name, dict(call.arguments)], ensure_ascii=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        return ToolResult(f"The call is no JSON: {error}.", is_error=True)
    if size > MAX_CALL_BYTES:
        return ToolResult(
            f"The call takes {size} bytes; {MAX_CALL_BYTES} are allowed.", is_error=True
        )
    return None
