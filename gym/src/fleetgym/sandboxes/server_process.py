"""The host's end of one tool server: its process, its pipes, and MCP over them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types
from mcp import ClientSession
from mcp.shared.message import SessionMessage

from fleetgym.contracts.errors import SandboxError, SandboxTimeout
from fleetgym.contracts.tools import ToolResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anyio.streams.memory import MemoryObjectSendStream

    from fleetgym.contracts.sandbox import Limits
    from fleetgym.contracts.tools import ToolCall

__all__ = ["ServerProcess"]

START_S = 60.0
"""How long a server may take to import what it needs."""

CLOSE_S = 5.0
"""How long an ended episode may take to be cleared away."""

PATIENCE_S = 10.0
"""How long past a call's own deadline its answer is waited for."""

_LINE_LIMIT = 64 * 1024**2
_STDERR_LINES = 20


class ServerProcess:
    """A warm tool server that serves one episode at a time. Belongs to one event loop."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._control: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._to_session: MemoryObjectSendStream[SessionMessage | Exception] | None = None
        self._session: ClientSession | None = None
        self._over = asyncio.Event()
        self._episode: asyncio.Task[None] | None = None
        self._limits: Limits | None = None
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._read_stderr())]

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str]) -> ServerProcess:
        """Start a server and wait until it is warm.

        Raises:
            SandboxError: It did not start; the text holds what it said.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=dict(environment),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_LINE_LIMIT,
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxError(f"The tool server did not start: {error}.") from error
        server = cls(process)
        try:
            await server._told("ready", START_S)
        except SandboxError:
            await server.kill()
            raise
        return server

    async def open(self, mounts: Mapping[str, str], limits: Limits) -> None:
        """Begin an episode.

        Raises:
            SandboxError: The server died or did not answer.
        """
        self._limits = limits
        self._over = asyncio.Event()
        await self._send({"open": {"mounts": dict(mounts), "limits": asdict(limits)}})
        await self._told("opened", START_S)
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._episode = asyncio.create_task(self._serve(ready))
        try:
            await asyncio.wait_for(ready, START_S)
        except TimeoutError as error:
            raise SandboxTimeout("The tool server did not begin the episode.") from error

    async def call(self, call: ToolCall) -> ToolResult:
        """Call a tool.

        Raises:
            SandboxError: The server, not the call, failed.
        """
        if self._session is None or self._limits is None:
            raise SandboxError(f"The tool server is gone. {self._last_words()}")
        deadline = self._limits.call_seconds + PATIENCE_S
        asked = asyncio.create_task(self._session.call_tool(call.name, dict(call.arguments)))
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({asked, over}, timeout=deadline, return_when="FIRST_COMPLETED")
            died, answered = over.done(), asked.done()
        finally:
            over.cancel()
            if not asked.done():
                asked.cancel()
        if not answered and died:
            raise SandboxError(f"The tool server died during {call.name}. {self._last_words()}")
        if not answered:
            raise SandboxTimeout(f"{call.name} did not answer within {deadline:g} s.")
        try:
            result = asked.result()
        except Exception as error:
            raise SandboxError(f"{call.name} failed in the sandbox: {error}") from error
        text = "".join(part.text for part in result.content if isinstance(part, types.TextContent))
        return ToolResult(text, is_error=bool(result.is_error))

    async def close(self) -> bool:
        """End the episode; return whether the server is ready for another one."""
        if self._episode is None:
            return self._process.returncode is None
        try:
            if self._over.is_set():
                return False  # The episode's process died: nothing of this server is trusted again.
            await self._send({"close": True})
            await self._told("closed", CLOSE_S)
        except SandboxError:
            return False
        finally:
            self._over.set()
            await asyncio.gather(self._episode, return_exceptions=True)
            self._episode = None
        return True

    async def kill(self) -> None:
        """End the process and all it started."""
        self._over.set()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        for task in self._tasks:
            task.cancel()
        if self._episode is not None:
            self._episode.cancel()
            await asyncio.gather(self._episode, return_exceptions=True)

    async def _serve(self, ready: asyncio.Future[None]) -> None:
        """Hold the MCP session open until the episode is over."""
        to_session, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](64)
        to_server, from_session = anyio.create_memory_object_stream[SessionMessage](64)
        self._to_session = to_session
        writer = asyncio.create_task(self._write(from_session))
        over = asyncio.create_task(self._over.wait())
        try:
            async with ClientSession(from_server, to_server) as session:
                await session.initialize()
                self._session = session
                ready.set_result(None)
                await over
        except Exception as error:  # noqa: BLE001 - told to whoever waits for the episode
            if not ready.done():
                words = self._last_words()
                ready.set_exception(SandboxError(f"No episode was begun: {error!r}. {words}"))
        finally:
            self._session = None
            self._to_session = None
            over.cancel()
            writer.cancel()
            for stream in (to_session, from_server, to_server, from_session):
                stream.close()

    async def _write(self, from_session: Any) -> None:
        async for message in from_session:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            await self._send_line(text)

    async def _send(self, asked: dict[str, Any]) -> None:
        await self._send_line(json.dumps(asked))

    async def _send_line(self, text: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(text.encode() + b"\n")
            await self._process.stdin.drain()
        except OSError as error:
            raise SandboxError(f"The tool server is gone. {self._last_words()}") from error

    async def _told(self, word: str, seconds: float) -> None:
        try:
            answer = await asyncio.wait_for(self._control.get(), seconds)
        except TimeoutError as error:
            raise SandboxTimeout(
                f"The tool server did not say {word!r} in {seconds:g} s."
            ) from error
        if word not in answer:
            raise SandboxError(f"The tool server failed: {answer}. {self._last_words()}")

    async def _read(self) -> None:
        """Tell MCP's messages from the server's own, line by line."""
        assert self._process.stdout is not None
        try:
            while line := await self._process.stdout.readline():
                await self._take(line)
        except (ValueError, ConnectionError) as error:
            self._stderr.append(f"unreadable output: {error}")
        await self._process.wait()
        self._control.put_nowait({"died": self._process.returncode})
        self._over.set()

    async def _take(self, line: bytes) -> None:
        if b'"jsonrpc"' in line:
            if self._to_session is not None:
                message = types.jsonrpc_message_adapter.validate_json(line)
                with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                    await self._to_session.send(SessionMessage(message))
            return
        answer = json.loads(line)
        if "closed" in answer:
            # Unasked for, it means that the episode's process died.
            self._over.set()
        self._control.put_nowait(answer)

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        with contextlib.suppress(ValueError):
            while line := await self._process.stderr.readline():
                self._stderr.append(line.decode(errors="replace").rstrip()[:500])

    def _last_words(self) -> str:
        return " | ".join(self._stderr)[-1500:]
