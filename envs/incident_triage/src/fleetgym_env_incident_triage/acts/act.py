"""An act: who did what from where, on what and when; and the rows that it leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from numpy.random import Generator

    from fleetgym_estate.estate import Estate
    from fleetgym_estate.event import Event

__all__ = ["Act", "Rule", "Written"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody did. Nothing in it, and in how it is written, says whether it was allowed."""

    rule: str
    """Of the alert that it can raise."""

    account: str
    """As the telemetry's account column has it."""

    origin: str
    """Address that it came from."""

    asset: str
    """Server, cluster, vault or storage account; empty for acts on the directory or a mailbox."""

    at: datetime
    """Begin, in UTC."""

    effective: bool = True
    """Whether what the rule claims did happen; otherwise it was refused, or only looks like it."""

    thing: str = ""
    """What the calendar names in the place of an asset, where there is none."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells it from all other acts of an instance."""
        return (self.rule, self.account.lower(), self.origin, self.asset.lower())

    @property
    def target(self) -> str:
        """What the calendar calls that which was acted on."""
        return self.asset or self.thing or self.account


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The rows of an act; those that the rule is about are asked for."""

    technique: str
    events: Sequence[Event]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that raises alerts."""

    name: str
    """Of its runbook, too."""

    title: str
    """Of its alerts; ``{entity}`` is filled in."""

    activity: str
    """What the calendar calls such work."""

    write: Callable[[Estate, Generator, Act], Written]
    about_origins: bool = False
    """Whether it fires because an origin is unusual."""

    refusable: bool = True
    """Whether such an act can come to nothing."""

    entity: str = "asset"
    """What its alerts name: asset, account or thing."""

    reasons: frozenset[str] = field(
        default_factory=lambda: frozenset({"approved_change", "emergency_drill"})
    )
    """Why such an act can be benign, besides those that follow from the above."""
