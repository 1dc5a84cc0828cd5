"""The host's end of one tool server: its process and its pipes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import mcp_types as types
from mcp.shared.message import SessionMessage

from fleetgym.contracts.errors import SandboxError, SandboxTimeout
from fleetgym.sandboxes.conversation import Conversation
from fleetgym.sandboxes.launch import UNKNOWN_STATUS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.sandbox import Limits
    from fleetgym.contracts.tools import ToolCall, ToolResult
    from fleetgym.sandboxes.launch import Launch, Started

__all__ = ["ServerProcess"]

START_S = 60.0
"""How long a server may take to import what it needs, and an episode to open its toolsets."""

END_S = 5.0
"""How long an ended episode may take to be cleared away, and a server to go when told so."""

_STDERR_BYTES = 2000
_MAX_WORDS = 8
"""A server is asked one thing at a time, so more answers than that are lies."""


class ServerProcess:
    """A warm tool server that serves one episode at a time. Belongs to one event loop."""

    def __init__(self, process: Started) -> None:
        self._process = process
        self._control: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._episode: Conversation | None = None
        self._known: types.DiscoverResult | None = None
        self._key = ""
        """Of the episode that is open: what only the server's first process knows."""
        self._stderr = b""
        self._reading = asyncio.gather(self._read(), self._read_stderr())

    @classmethod
    async def start(cls, launch: Launch) -> ServerProcess:
        """Start a server and wait until it is warm.

        Raises:
            SandboxError: It did not start; the text holds what it said.
        """
        server = cls(await launch.start())
        try:
            await server._told(("ready",), START_S)
        except BaseException as error:
            died = isinstance(error, SandboxError) and not server.alive
            await server.kill()
            # Without a status it is the connection that ended, not the server.
            died = died and server._process.returncode != UNKNOWN_STATUS
            if died and launch.advice:
                raise SandboxError(f"{error} {launch.advice}") from error
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
        # The first process and its child say one of these each, and either may be the first.
        told: dict[str, Any] = {}
        while not {"key", "opened"} <= told.keys():
            told |= await self._told(("key", "opened"), START_S)
        self._key = told["key"]
        episode = self._episode = Conversation(
            self._send_message, self._last_words, limits, modern=True, known=self._known
        )
        await episode.begin()
        self._known = episode.known

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
            told = await self._told(("closed",), END_S)
        except SandboxError:
            return False
        # Else the episode's own process says that it has ended, and would serve another one.
        return told.get("by") == self._key

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

    def _last_words(self) -> str:
        """Return the end of what it wrote to standard error, on one line."""
        return " | ".join(self._stderr.decode(errors="replace").split("\n")).strip(" |")

    async def _send_message(self, message: SessionMessage) -> None:
        await self._send(message.message.model_dump_json(by_alias=True, exclude_unset=True))

    async def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            await self._process.stdin.drain()
        except OSError as error:
            raise SandboxError(f"The tool server is gone. {self._last_words()}") from error

    async def _told(self, words: tuple[str, ...], seconds: float) -> dict[str, Any]:
        """Return the next that the server says, which has one of ``words`` in it."""
        try:
            answer = await asyncio.wait_for(self._control.get(), seconds)
        except TimeoutError as error:
            raise SandboxTimeout(
                f"The tool server did not say {words[0]!r} in {seconds:g} s. {self._last_words()}"
            ) from error
        if not any(word in answer for word in words):
            raise SandboxError(f"The tool server failed: {answer}. {self._last_words()}")
        return answer

    async def _read(self) -> None:
        """Tell MCP's messages from the server's own, until there are none."""
        assert self._process.stdout is not None
        try:
            while line := await self._process.stdout.readline():
                await self._take(line)
        # No JSON, a line without end, too many words: it is not ours any more.
        except ValueError as error:
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
        if self._control.qsize() >= _MAX_WORDS:
            raise ValueError("more answers than questions")
        self._control.put_nowait(_words(line))
        if self._episode is not None:
            self._episode.die()  # nobody asked for it

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        while piece := await self._process.stderr.read(_STDERR_BYTES):
            self._stderr = (self._stderr + piece)[-_STDERR_BYTES:]


def _words(line: bytes) -> dict[str, Any]:
    """Return what a server says of itself; it may have been taken over, and say anything."""
    try:
        words: Any = json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(words, dict):
        raise ValueError("no object")  # noqa: TRY004 - as for anything else that is no answer
    return cast("dict[str, Any]", words)
