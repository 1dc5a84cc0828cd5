"""The host's end of an MCP server that is not ours: one process, one episode.

It is believed nothing. What it writes is read up to a bound, what it asks of its client (sampling,
roots, elicitation) is refused as the protocol has it, and a call that it does not answer in time
ends its episode unless it shows that it is there.
"""

from __future__ import annotations

import contextlib
import shlex
from typing import TYPE_CHECKING

import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from fleetgym.contracts.catalogue import differences, read_catalogue
from fleetgym.contracts.errors import SandboxError, SandboxTimeout, SpecError
from fleetgym.contracts.tools import ToolResult, cut
from fleetgym.sandboxes import conversation
from fleetgym.sandboxes.conversation import Conversation, refuse
from fleetgym.sandboxes.mcp_results import name_tools, text_of
from fleetgym.sandboxes.server_process import START_S, ServerProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.sandbox import Limits, SandboxSpec
    from fleetgym.contracts.tools import ToolCall, ToolSpec
    from fleetgym.sandboxes.launch import Launch, Started

__all__ = ["ForeignServer"]

MAX_NOISE_BYTES = 1024**2
"""Of all that a server writes between two calls beside answers: notifications, requests, junk."""

_MAX_LINES = 10_000
"""Of what it writes between two calls, answers included: nobody asked for so many."""

_MAX_PAGES = 100
"""Of a list of tools."""


class ForeignServer(ServerProcess):
    """Any MCP server on its standard streams. Belongs to one event loop."""

    def __init__(self, process: Started, spec: SandboxSpec) -> None:
        self._spec = spec
        self._noise = 0
        self._lines = 0
        self._names: Mapping[str, tuple[str, ToolSpec]] = {}
        super().__init__(process)
        self._talk = Conversation(self._send_message, self._last_words, spec.limits)
        self._episode = self._talk

    @classmethod
    async def start_for(cls, spec: SandboxSpec, launch: Launch) -> ForeignServer:
        """Start a server, shake hands with it and ask for its tools.

        Raises:
            SandboxError: It did not start, or does not speak MCP; the text holds what it said.
            SpecError: Its tools are not those of the spec's catalogue.
        """
        server = cls(await launch.start(), spec)
        try:
            await server._talk.begin(seconds=START_S)
            server._names = name_tools(await server._list_tools())
            server._compare()
        except BaseException as error:
            died = isinstance(error, SandboxError) and not server.alive
            await server.kill()
            if died and launch.advice:
                raise SandboxError(f"{error} {launch.advice}") from error
            raise
        return server

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """What it lists, under the names that agents use."""
        return tuple(spec for _, spec in self._names.values())

    async def open(self, mounts: Mapping[str, str], limits: Limits) -> None:
        """Begin the episode, for which all is ready."""
        del mounts, limits

    async def call(self, call: ToolCall) -> ToolResult:
        """Call a tool.

        Raises:
            SandboxError: The server, not the call, failed.
        """
        refusal = refuse(call)
        if refusal is not None:
            return refusal
        if call.name not in self._names:
            return ToolResult(f"There is no tool {call.name!r}.", is_error=True)
        self._noise = self._lines = 0
        seconds = self._spec.limits.call_seconds
        try:
            result = await self._talk.request_call(
                self._names[call.name][0], call.arguments, seconds
            )
        except SandboxTimeout:
            await self._show_presence(call.name)
            return ToolResult(
                f"{call.name} took longer than {seconds:g} s. Ask for less.", is_error=True
            )
        except MCPError as error:
            if not self.alive:
                raise SandboxError(
                    f"The tool server died during {call.name}. {self._last_words()}"
                ) from error
            return self._result(error.message, is_error=True)
        except ValidationError as error:
            raise SandboxError(
                f"The tool server answered {call.name} with what MCP does not allow: {error}"
            ) from error
        return self._result(text_of(result), is_error=bool(result.is_error))

    async def close(self) -> bool:
        """End the episode, and with it the server: it may keep what the agent told it."""
        return False

    def _result(self, text: str, *, is_error: bool) -> ToolResult:
        return ToolResult(cut(text, self._spec.limits.output_bytes), is_error=is_error)

    async def _show_presence(self, tool: str) -> None:
        """Return if the server is there while a call of it was not answered in time."""
        seconds = conversation.PATIENCE_S
        try:
            with contextlib.suppress(MCPError):  # whatever it says, it is there
                await self._talk.ask("ping", lambda session: session.send_ping(), seconds)
        except SandboxTimeout as error:
            raise SandboxTimeout(
                f"{tool} did not answer within {self._spec.limits.call_seconds:g} s, and then the "
                f"tool server did not answer a ping within {seconds:g} s."
            ) from error

    async def _list_tools(self) -> list[types.Tool]:
        tools: list[types.Tool] = []
        page: types.PaginatedRequestParams | None = None
        for _ in range(_MAX_PAGES):
            try:
                listed = await self._talk.ask(
                    "tools/list",
                    lambda session, page=page: session.list_tools(params=page),
                    START_S,
                )
            except (MCPError, ValidationError) as error:
                raise SandboxError(
                    f"The MCP server did not list its tools: {error}. {self._last_words()}"
                ) from error
            tools += listed.tools
            if listed.next_cursor is None:
                return tools
            page = types.PaginatedRequestParams(cursor=listed.next_cursor)
        raise SandboxError(f"The MCP server's list of tools has more than {_MAX_PAGES} pages.")

    def _compare(self) -> None:
        path = self._spec.catalogue
        if path is None:
            return
        changed = differences(read_catalogue(path), self.tools)
        if changed:
            mounts = [f"--mount {name}={place}" for name, place in self._spec.mounts.items()]
            image = [f"--image {self._spec.image}"] if self._spec.image else []
            command = " ".join(
                ["fleetgym tools from-mcp", "--out", shlex.quote(str(path)), *mounts, *image, "--",
                 shlex.join(self._spec.server)]
            )  # fmt: skip
            raise SpecError(
                f"The server's tools are not those of {str(path)!r}: {changed}. To take them over, "
                f"and with them another version of the environment: `{command}`"
            )

    async def _take(self, line: bytes) -> None:
        """Take a line; raises ValueError when they are too many."""
        try:
            message = types.jsonrpc_message_adapter.validate_json(line)
        except ValidationError:
            message = None
        self._lines += 1
        if not isinstance(message, types.JSONRPCResponse | types.JSONRPCError):
            self._noise += len(line)
        if self._noise > MAX_NOISE_BYTES or self._lines > _MAX_LINES:
            raise ValueError(
                f"{self._lines} lines, {self._noise} bytes of them no answers, without being asked"
            )
        if message is not None:
            await self._talk.receive(SessionMessage(message))
