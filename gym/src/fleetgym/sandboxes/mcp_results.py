"""What an MCP server answers, in the words of fleetgym's contracts."""

from __future__ import annotations

import json
import re
from inspect import cleandoc
from typing import TYPE_CHECKING, TypeAlias

import mcp_types as types

from fleetgym.contracts.errors import SpecError
from fleetgym.contracts.tools import ToolSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["name_tools", "text_of"]

_Part: TypeAlias = (
    types.TextContent
    | types.ImageContent
    | types.AudioContent
    | types.ResourceLink
    | types.EmbeddedResource
)

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME = 64


def text_of(result: types.CallToolResult) -> str:
    """Return a result as text: what is none is named by its type and size.

    Structured content is shown only where nothing else is: by the protocol, servers repeat it as
    text.
    """
    if not result.content and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "\n".join(_shown(part) for part in result.content)


def name_tools(tools: Sequence[types.Tool]) -> Mapping[str, tuple[str, ToolSpec]]:
    """Return the server's name and the spec of each tool, by the name that agents call it by.

    MCP allows names that chat completions do not; characters that these refuse become underscores.

    Raises:
        SpecError: A tool cannot be offered to agents, or two would have the same name.
    """
    named: dict[str, tuple[str, ToolSpec]] = {}
    for tool in tools:
        name = _NOT_IN_NAMES.sub("_", tool.name)[:_LONGEST_NAME]
        if name in named:
            raise SpecError(
                f"The server's tools {named[name][0]!r} and {tool.name!r} would both be {name!r}."
            )
        hints = tool.annotations
        spec = ToolSpec(
            name=name,
            # Docstrings come with their indentation, or without, as the server's Python has it.
            description=cleandoc(tool.description or tool.title or ""),
            parameters=tool.input_schema,
            destructive=hints is not None
            and bool(hints.destructive_hint)
            and not hints.read_only_hint,
            scopes=("server:read",)
            if hints is not None and hints.read_only_hint
            else ("server:read", "server:write"),
        )
        named[name] = tool.name, spec
    return named


def _shown(part: _Part) -> str:
    match part:
        case types.TextContent():
            return part.text
        case types.ImageContent():
            return f"[image: {part.mime_type}, {_size(part.data)} bytes]"
        case types.AudioContent():
            return f"[audio: {part.mime_type}, {_size(part.data)} bytes]"
        case types.ResourceLink():
            size = "" if part.size is None else f", {part.size} bytes"
            return f"[link: {part.uri}, {part.mime_type or 'unknown type'}{size}]"
        case types.EmbeddedResource(resource=types.TextResourceContents() as resource):
            size = len(resource.text.encode(errors="replace"))
            kind = resource.mime_type or "text"
            return f"[resource: {resource.uri}, {kind}, {size} bytes]\n{resource.text}"
        case types.EmbeddedResource(resource=types.BlobResourceContents() as resource):
            kind = resource.mime_type or "unknown type"
            return f"[resource: {resource.uri}, {kind}, {_size(resource.blob)} bytes]"
        case _:
            raise TypeError(part)


def _size(base64: str) -> int:
    return len(base64.rstrip("=")) * 3 // 4
