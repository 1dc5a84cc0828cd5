"""A toolset that cannot be imported inside."""

from __future__ import annotations

SPECS = ()
HIDDEN: frozenset[str] = frozenset()
PRELOAD = ("no_such_module_anywhere",)
