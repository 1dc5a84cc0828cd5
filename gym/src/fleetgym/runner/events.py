"""What a runner tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fleetgym.contracts.record import RunKey, RunRecord
    from fleetgym.runner.plan import Plan

__all__ = ["Finished", "Listener", "Started"]


@dataclass(frozen=True, slots=True)
class Started:
    """A run has begun."""

    run_id: str
    key: RunKey
    attempt: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A run has ended and its record is on disk."""

    record: RunRecord
    """Without steps, calls and events."""

    retried: bool
    """Whether it was void and will be tried again."""


class Listener(Protocol):
    """Watches a suite."""

    def planned(self, plan: Plan, finished: int) -> None:
        """Take the plan; ``finished`` of its runs are done already."""
        ...

    def note(self, message: str) -> None:
        """Take one line about what is being waited for."""
        ...

    def started(self, event: Started) -> None:
        """Take a run's begin."""
        ...

    def finished(self, event: Finished) -> None:
        """Take a run's end."""
        ...

    def close(self) -> None:
        """The suite is over."""
        ...
