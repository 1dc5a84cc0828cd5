"""Who is in the team, as the messages of a chat tell it.

The lines on members are written by :mod:`fleetgym.env.teams`; a framework may pass them on in a
system text, in the description of a tool, or in a question for the next speaker.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Roster", "read_roster"]

_ME = re.compile(r"\bYou are ([a-z][a-z_]*), (?:one of a team|the one of a team)\b")
_MARK = ". Tools: "
_LINE = re.compile(r"\b([a-z][a-z_]{1,30}): [^:\n]*\. Tools: ([\w-]+(?:, [\w-]+)*)\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """The team, as one of its members knows it."""

    me: str = ""
    """Who the model is; empty when it is none of them, and chooses among them."""

    owners: Mapping[str, str] = field(default_factory=dict[str, str])
    """Who has which tool, by the tool's name."""

    @property
    def names(self) -> list[str]:
        """Members with tools, in the team's order."""
        return list(dict.fromkeys(self.owners.values()))


def read_roster(text: str) -> Roster | None:
    """Return the team that a text tells of; None if it tells of none."""
    if _MARK not in text:
        return None
    owners: dict[str, str] = {}
    for name, tools in _LINE.findall(text):
        for tool in tools.split(", "):
            owners.setdefault(tool, name)
    me = _ME.search(text)
    return Roster(me=me[1] if me else "", owners=owners) if owners else None
