"""The tools of an MCP server, written down: what an environment knows before one is started."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import SpecError
from fleetgym.contracts.tools import ToolSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["differences", "read_catalogue", "write_catalogue"]

_FIELDS = ("description", "parameters", "destructive")


def read_catalogue(path: Path) -> tuple[ToolSpec, ...]:
    """Return the tools in a file, in its order.

    Raises:
        SpecError: It cannot be read, or is no catalogue.
    """
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text())["tools"]
        for entry in entries:
            entry["scopes"] = tuple(entry.get("scopes", ()))
        tools = tuple(ToolSpec(**entry) for entry in entries)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SpecError(
            f"The tool catalogue {str(path)!r} cannot be read: {error!r}. "
            "`fleetgym tools from-mcp` writes one."
        ) from error
    if len({tool.name for tool in tools}) < len(tools):
        raise SpecError(f"The tool catalogue {str(path)!r} names a tool twice.")
    return tools


def write_catalogue(path: Path, tools: Sequence[ToolSpec]) -> None:
    """Write tools to a file that people can review, and tell apart with `diff`."""
    entries = [
        {name: value for name, value in asdict(tool).items() if name != "version"} for tool in tools
    ]
    path.write_text(json.dumps({"tools": entries}, indent=2, ensure_ascii=False) + "\n")


def differences(known: Sequence[ToolSpec], found: Sequence[ToolSpec]) -> str:
    """Return what is found and not known, and the other way round; empty when nothing is."""
    before = {tool.name: tool for tool in known}
    after = {tool.name: tool for tool in found}
    gone = {name: tool for name, tool in before.items() if name not in after}
    new = {name: tool for name, tool in after.items() if name not in before}
    renamed = _renamed(gone, new)
    said = {
        "renamed": [f"{old} to {name}" for old, name in renamed.items()],
        "new": [name for name in new if name not in renamed.values()],
        "gone": [name for name in gone if name not in renamed],
        "changed": [
            f"{name} ({', '.join(changed)})"
            for name in before.keys() & after.keys()
            if (changed := _changed(before[name], after[name]))
        ],
    }
    return "; ".join(f"{word}: {', '.join(sorted(names))}" for word, names in said.items() if names)


def _renamed(gone: Mapping[str, ToolSpec], new: Mapping[str, ToolSpec]) -> dict[str, str]:
    """Return the new name of each tool that is the same but for its name."""
    return {
        old: name
        for old, tool in gone.items()
        for name, other in new.items()
        if not _changed(tool, other)
    }


def _changed(before: ToolSpec, after: ToolSpec) -> list[str]:
    return [name for name in _FIELDS if getattr(before, name) != getattr(after, name)]
