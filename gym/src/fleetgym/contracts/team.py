"""A team of agents on one task: who they are, what each can do, and what each is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COORDINATOR", "Member", "Role", "Team"]

COORDINATOR = "coordinator"
"""The member without tools that sends the others to work, in topologies that have one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What a scenario says of one member."""

    name: str
    """A Python identifier in lower case, for example ``hunter``."""

    summary: str
    """What it does, a sentence without subject or full stop: ``Reads reports``."""

    tools: tuple[str, ...]
    """Names of the tools that only it may call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One agent of a team, as a framework is told of it."""

    name: str
    """Its identity at the model gateway, and the agent of its tool calls."""

    description: str
    """What it does and which tools it has, in one line, for those who choose whom to ask."""

    system: str
    """Its system text."""

    tools: tuple[str, ...]
    """Names of the tools of the brief that it may call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Who works on a task where more than one agent does."""

    coordinator: Member
    """Has no tools; for topologies that have one."""

    members: Sequence[Member]
    """In the order in which their work mostly comes; the last one hands in the answer."""
