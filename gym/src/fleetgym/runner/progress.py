"""Progress of a suite: live on a terminal, plain lines elsewhere. Always on standard error."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from fleetgym.contracts.condition import CLEAN
from fleetgym.contracts.framework import SINGLE
from fleetgym.contracts.record import Outcome

if TYPE_CHECKING:
    from fleetgym.runner.events import Finished, Listener, Started
    from fleetgym.runner.plan import Plan

__all__ = ["LiveProgress", "PlainProgress", "progress"]


def progress() -> Listener:
    """Return the progress display that fits standard error."""
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()


def _line(event: Finished) -> str:
    record = event.record
    score = "" if record.score is None else f" {record.score.value:.2f}"
    again = "; will be tried again" if event.retried else ""
    # A success needs no explanation.
    why = f" ({record.detail}{again})" if record.category is not None else ""
    key = record.key
    arm = key.framework if key.topology == SINGLE else f"{key.framework}/{key.topology}"
    condition = "" if key.condition == CLEAN else f" {key.condition}"
    return (
        f"{arm:<10} {key.scenario}{condition} seed {key.seed}: {record.outcome.value}{score}{why}"
    )


class PlainProgress:
    """One line a finished run, with a count, for logs."""

    def __init__(self) -> None:
        self._total = self._done = 0

    def planned(self, plan: Plan, finished: int) -> None:
        """Say how much there is to do."""
        self._total, self._done = len(plan.runs), finished
        kept = f", {finished} of them finished before" if finished else ""
        self._say(f"{plan.suite.name}: {self._total} runs{kept}")

    def note(self, message: str) -> None:
        """Print a line."""
        self._say(message)

    def started(self, event: Started) -> None:
        """Nothing: beginnings would double the log."""

    def finished(self, event: Finished) -> None:
        """Print a line."""
        self._done += not event.retried
        self._say(f"[{self._done}/{self._total}] {_line(event)}")

    def close(self) -> None:
        """Nothing is open."""

    def _say(self, text: str) -> None:
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
        sys.stderr.flush()


class LiveProgress:
    """A bar with the rate, the outcomes so far and what is running."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - only terminals need rich
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[tally]}"),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("", total=None, tally="")
        self._tally: Counter[Outcome] = Counter()

    def planned(self, plan: Plan, finished: int) -> None:
        """Show the bar."""
        self._bar.start()
        self._bar.update(
            self._task, description=plan.suite.name, total=len(plan.runs), completed=finished
        )

    def note(self, message: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(f"[dim]{message}", highlight=False)

    def started(self, event: Started) -> None:
        """Show nothing: runs are short, and the bar moves when they end."""

    def finished(self, event: Finished) -> None:
        """Move the bar; say what did not succeed."""
        record = event.record
        if not event.retried:
            self._tally[record.outcome] += 1
            tally = "  ".join(f"{o.value} {n}" for o, n in self._tally.most_common())
            self._bar.update(self._task, advance=1, tally=tally)
        if record.outcome is not Outcome.SUCCESS:
            self.note(_line(event))

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.stop()
