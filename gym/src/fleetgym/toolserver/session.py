"""One episode's tools over MCP, in a process of its own.

The official server on two pipes, read by the event loop: toolsets fork, so no thread may be
running when they do.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage

from fleetgym.contracts.errors import ToolError
from fleetgym.contracts.sandbox import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from fleetgym.contracts.sandbox import ToolFunction
    from fleetgym.contracts.tools import ToolSpec

__all__ = ["serve"]

_LINE_LIMIT = 16 * 1024**2
_CLOSE = b'{"close"'


def serve(
    toolsets: Sequence[str],
    mounts: Mapping[str, str],
    limits: Mapping[str, Any],
    wire: tuple[int, int],
) -> None:
    """Answer calls until the host closes the episode or hangs up.

    Args:
        toolsets: Modules, in the order in which their tools are listed.
        mounts: Directories by name.
        limits: Fields of :class:`Limits`.
        wire: Descriptors to read from and to write to.
    """
    tools = _Tools(toolsets, mounts, Limits(**limits))
    os.write(wire[1], b'{"opened": true}\n')
    asyncio.run(_serve(tools, wire))


class _Tools:
    """The functions of all toolsets, called under a deadline and cut to size."""

    def __init__(self, toolsets: Sequence[str], mounts: Mapping[str, str], limits: Limits) -> None:
        self._limits = limits
        self._functions: dict[str, ToolFunction] = {}
        self._hidden: set[str] = set()
        self.specs: list[ToolSpec] = []
        places = {name: Path(path) for name, path in mounts.items()}
        for name in toolsets:
            module = importlib.import_module(name)
            self.specs += module.SPECS
            self._hidden |= module.HIDDEN
            self._functions |= module.open_toolset(places, limits)

    def call(self, name: str, arguments: Mapping[str, Any]) -> types.CallToolResult:
        """Return the result; what is not the agent's fault is let through."""
        if name not in self._functions:
            return _result(f"There is no tool {name!r}.", is_error=True)
        # The last resort: a toolset that starts processes has deadlines of its own.
        signal.signal(signal.SIGALRM, _alarm)
        signal.setitimer(signal.ITIMER_REAL, self._limits.call_seconds)
        try:
            text = self._functions[name](**arguments)
            # Hidden tools answer graders, who bound what they ask for.
            return _result(text if name in self._hidden else self._cut(text))
        except ToolError as error:
            return _result(str(error), is_error=True)
        except _TooSlow:
            seconds = self._limits.call_seconds
            return _result(f"{name} took longer than {seconds:g} s. Ask for less.", is_error=True)
        except MemoryError:
            return _result(f"{name} ran out of memory. Ask for less.", is_error=True)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _cut(self, text: str) -> str:
        data = text.encode()
        if len(data) <= self._limits.output_bytes:
            return text
        kept = data[: self._limits.output_bytes].decode(errors="ignore")
        return f"{kept}\n[cut: {len(kept.encode())} of {len(data)} bytes are shown; ask for less]"


class _TooSlow(BaseException):
    """Raised by the alarm; not an ``Exception``, so that no tool swallows it."""


def _alarm(_signal: int, _frame: FrameType | None) -> None:
    raise _TooSlow


def _result(text: str, *, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], is_error=is_error
    )


async def _serve(tools: _Tools, wire: tuple[int, int]) -> None:
    async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=spec.name,
                    description=spec.description,
                    input_schema=dict(spec.parameters),
                    annotations=types.ToolAnnotations(destructive_hint=spec.destructive),
                )
                for spec in tools.specs
            ]
        )

    async def call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        return tools.call(params.name, params.arguments or {})

    server = Server("fleetgym", on_list_tools=list_tools, on_call_tool=call_tool)
    to_server, from_host = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_host, from_server = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_read, wire[0], to_server, tasks.cancel_scope)
        tasks.start_soon(_write, wire[1], from_server)
        await server.run(from_host, to_host, server.create_initialization_options())
        tasks.cancel_scope.cancel()


async def _read(
    descriptor: int,
    to_server: MemoryObjectSendStream[SessionMessage | Exception],
    scope: anyio.CancelScope,
) -> None:
    source = asyncio.StreamReader(limit=_LINE_LIMIT)
    pipe = os.fdopen(os.dup(descriptor), "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(source), pipe
    )
    while line := await source.readline():
        if line.startswith(_CLOSE):
            break
        try:
            message = types.jsonrpc_message_adapter.validate_json(line)
        except ValueError as error:
            await to_server.send(error)
            continue
        await to_server.send(SessionMessage(message))
    scope.cancel()


async def _write(descriptor: int, from_server: MemoryObjectReceiveStream[SessionMessage]) -> None:
    async for message in from_server:
        text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
        data = memoryview(text.encode() + b"\n")
        while data:
            data = data[os.write(descriptor, data) :]
