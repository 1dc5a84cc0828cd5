"""A toolset that cannot be opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fleetgym.contracts.sandbox import Limits, ToolFunction

SPECS = ()
HIDDEN: frozenset[str] = frozenset()
PRELOAD = ()


def open_toolset(mounts: Mapping[str, Path], limits: Limits) -> Mapping[str, ToolFunction]:
    raise RuntimeError("the index is gone")
