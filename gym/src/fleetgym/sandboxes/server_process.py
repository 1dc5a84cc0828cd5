"""The host's end of one tool server: its process, its pipes, and MCP over them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types
from mcp import ClientSession
from mcp.shared.message import SessionMessage

from fleetgym.contracts.errors import SandboxError, SandboxTimeout
from fleetgym.contracts.tools import ToolResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from fleetgym.contracts.sandbox import Limits
    from fleetgym.contracts.tools import ToolCall
    from fleetgym.sandboxes.launch import Launch

__all__ = ["ServerProcess"]

START_S = 60.0
"""How long a server may take to import what it needs, and an episode to open its toolsets."""

END_S = 5.0
"""How long an ended episode may take to be cleared away, and a server to go when told so."""

PATIENCE_S = 10.0
"""How long past a call's own deadline its answer is waited for."""

MAX_ARGUMENT_BYTES = 1024**2

_LINE_LIMIT = 64 * 1024**2
_STDERR_BYTES = 2000


class ServerProcess:
    """A warm tool server that serves one episode at a time. Belongs to one event loop."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._control: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._episode: _Episode | None = None
        self._stderr = b""
        self._reading = asyncio.gather(self._read(), self._read_stderr())

    @classmethod
    async def start(cls, launch: Launch) -> ServerProcess:
        """Start a server and wait until it is warm.

        Raises:
            SandboxError: It did not start; the text holds what it said.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *launch.command,
                env=dict(launch.environment),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_LINE_LIMIT,
                start_new_session=True,  # or an interrupt from the keyboard would end it, too
            )
        except OSError as error:
            raise SandboxError(f"The tool server did not start: {error}.") from error
        server = cls(process)
        try:
            await server._told("ready", START_S)
        except BaseException:
            await server.kill()
            raise
        return server

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.returncode is None and not self._reading.done()

    async def open(self, mounts: Mapping[str, str], limits: Limits) -> None:
        """Begin an episode.

        Raises:
            SandboxError: The server died or did not answer, or a toolset could not be opened.
        """
        await self._send(json.dumps({"open": {"mounts": dict(mounts), "limits": asdict(limits)}}))
        await self._told("opened", START_S)
        episode = self._episode = _Episode(self, limits)
        await episode.begin()

    async def call(self, call: ToolCall) -> ToolResult:
        """Call a tool of the episode.

        Raises:
            SandboxError: The server, not the call, failed.
        """
        if self._episode is None:
            raise SandboxError(f"{call.name} was called, but no episode is open.")
        return await self._episode.call(call)

    async def close(self) -> bool:
        """End the episode; return whether the server is ready for another one."""
        episode, self._episode = self._episode, None
        if episode is None:
            return self.alive
        sound = not episode.over.done() and not episode.late
        await episode.end()
        if not sound:
            return False
        try:
            await self._send('{"close": true}')
            await self._told("closed", END_S)
        except SandboxError:
            return False
        return True

    async def kill(self) -> None:
        """End the process and all it started."""
        # Bubblewrap takes everything with it. A plain server hears of it between episodes by the
        # end of its input, else by the signal, and ends what it has started.
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(asyncio.shield(self._reading), END_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._process.wait()
        if self._episode is not None:
            await self._episode.end()

    def last_words(self) -> str:
        """Return the end of what it wrote to standard error, on one line."""
        return " | ".join(self._stderr.decode(errors="replace").split("\n")).strip(" |")

    async def send(self, message: SessionMessage) -> None:
        """Send one message of MCP."""
        await self._send(message.message.model_dump_json(by_alias=True, exclude_unset=True))

    async def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            await self._process.stdin.drain()
        except OSError as error:
            raise SandboxError(f"The tool server is gone. {self.last_words()}") from error

    async def _told(self, word: str, seconds: float) -> None:
        try:
            answer = await asyncio.wait_for(self._control.get(), seconds)
        except TimeoutError as error:
            raise SandboxTimeout(
                f"The tool server did not say {word!r} in {seconds:g} s. {self.last_words()}"
            ) from error
        if word not in answer:
            raise SandboxError(f"The tool server failed: {answer}. {self.last_words()}")

    async def _read(self) -> None:
        """Tell MCP's messages from the server's own, until there are none."""
        assert self._process.stdout is not None
        try:
            while line := await self._process.stdout.readline():
                await self._take(line)
        except ValueError as error:  # no JSON, or a line without end: it is not ours any more
            self._stderr += f"\nunreadable output: {error}".encode()[:_STDERR_BYTES]
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._control.put_nowait({"ended": await self._process.wait()})
        if self._episode is not None:
            self._episode.die()

    async def _take(self, line: bytes) -> None:
        if b'"jsonrpc"' in line:
            message = types.jsonrpc_message_adapter.validate_json(line)
            if self._episode is not None:
                await self._episode.receive(SessionMessage(message))
            return
        answer = json.loads(line)
        self._control.put_nowait(answer)
        if "closed" in answer and self._episode is not None:
            self._episode.die()  # nobody asked for it

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        while piece := await self._process.stderr.read(_STDERR_BYTES):
            self._stderr = (self._stderr + piece)[-_STDERR_BYTES:]


class _Episode:
    """MCP with one episode's process."""

    def __init__(self, server: ServerProcess, limits: Limits) -> None:
        self._server = server
        self._limits = limits
        self._session: ClientSession | None = None
        self._to_session: MemoryObjectSendStream[SessionMessage | Exception] | None = None
        self._task: asyncio.Task[None] | None = None
        self.late = False
        """Whether an answer did not come in time, and may come yet."""
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the process has died, or is not wanted any more."""

    async def begin(self) -> None:
        """Shake hands.

        Raises:
            SandboxError: It died, or did not answer.
        """
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._converse(ready))
        await asyncio.wait(
            {ready, self.over, self._task}, timeout=START_S, return_when="FIRST_COMPLETED"
        )
        if not ready.done():
            self.late = True
            raise SandboxError(f"The episode was not begun. {self._server.last_words()}")

    async def call(self, call: ToolCall) -> ToolResult:
        """Call a tool, and wait for its answer no longer than it may take."""
        refusal = _refusal(call)
        if refusal is not None:
            return refusal
        if self._session is None or self.over.done():
            raise SandboxError(f"The tool server is gone. {self._server.last_words()}")
        request = types.CallToolRequest(
            params=types.CallToolRequestParams(name=call.name, arguments=dict(call.arguments))
        )
        # Not `call_tool`, which lists the tools first: 3 ms an episode.
        asked = asyncio.create_task(self._session.send_request(request, types.CallToolResult))
        deadline = self._limits.call_seconds + PATIENCE_S
        try:
            await asyncio.wait({asked, self.over}, timeout=deadline, return_when="FIRST_COMPLETED")
        finally:
            answered = asked.done()
            asked.cancel()
        if not answered:
            self.late = not self.over.done()
            raise self._silence(call.name, deadline)
        try:
            result = asked.result()
        except Exception as error:
            raise SandboxError(f"{call.name} failed in the sandbox: {error}") from error
        text = "".join(part.text for part in result.content if isinstance(part, types.TextContent))
        return ToolResult(text, is_error=bool(result.is_error))

    def _silence(self, tool: str, deadline: float) -> SandboxError:
        if self.late:
            return SandboxTimeout(f"{tool} did not answer within {deadline:g} s.")
        return SandboxError(f"The tool server died during {tool}. {self._server.last_words()}")

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
            await asyncio.gather(self._task, return_exceptions=True)

    async def _converse(self, ready: asyncio.Future[None]) -> None:
        """Hold the session open until the episode is over."""
        to_session, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](64)
        to_server, from_session = anyio.create_memory_object_stream[SessionMessage](64)
        self._to_session = to_session
        writing = asyncio.create_task(self._write(from_session))
        try:
            async with ClientSession(from_server, to_server) as session:
                await session.initialize()
                self._session = session
                ready.set_result(None)
                await self.over
        finally:
            self._session = self._to_session = None
            writing.cancel()
            for stream in (to_session, from_server, to_server, from_session):
                stream.close()

    async def _write(self, from_session: MemoryObjectReceiveStream[SessionMessage]) -> None:
        with contextlib.suppress(SandboxError):  # who reads its output notes that it is gone
            async for message in from_session:
                await self._server.send(message)


def _refusal(call: ToolCall) -> ToolResult | None:
    """Return what to tell the agent when its arguments cannot be sent at all."""
    try:
        size = len(json.dumps(dict(call.arguments), ensure_ascii=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        return ToolResult(f"The arguments are no JSON: {error}.", is_error=True)
    if size > MAX_ARGUMENT_BYTES:
        return ToolResult(
            f"The arguments take {size} bytes; {MAX_ARGUMENT_BYTES} are allowed.", is_error=True
        )
    return None
