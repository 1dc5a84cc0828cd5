"""What frameworks made of faults, for a terminal: those that did the same share a line."""

from __future__ import annotations

from itertools import groupby
from statistics import fmean
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.analysis.reactions import ReactionRow

__all__ = ["reaction_tables"]


def reaction_tables(rows: Sequence[ReactionRow]) -> list[Table]:
    """Return a table with a few lines a fault; nothing where nothing went wrong on purpose."""
    if not rows:
        return []
    names = _short(list(dict.fromkeys(row.name for row in rows)))
    table = Table(
        title="\nfaults, and what came of them",
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("fault", overflow="fold", min_width=24)
    table.add_column("framework", overflow="fold", style="cyan", max_width=13)
    table.add_column("then")
    for column in ("n", "faults", "tries", "wait s", "rec %", "ok %"):
        table.add_column(column, justify="right", no_wrap=True)
    for fault, members in groupby(rows, key=lambda row: row.fault):
        lines = _alike(list(members))
        for number, line in enumerate(lines):
            whose = [names[row.name] for row in line]
            row, waits = line[0], [one.waited_s for one in line if one.waited_s is not None]
            table.add_row(
                Text("" if number else fault),
                Text("all" if len(whose) == len(names) > 1 else ", ".join(whose)),
                _done(row.reactions),
                str(row.incidents),
                f"{row.injected:.3g}",
                f"{row.attempts:.3g}",
                f"{fmean(waits):.1f}" if waits else "·",
                f"{row.recovered.value * 100:.0f}",
                f"{row.success.value * 100:.0f}",
            )
    return [table]


def _short(names: Sequence[str]) -> dict[str, str]:
    """Return shorter names, as far as they still tell rows apart."""
    frameworks = {name: name.partition("@")[0] for name in names}
    arms = {name: f"{frameworks[name]}/{name.partition('/')[2]}" for name in names}
    for shorter in (frameworks, arms):
        if len(set(shorter.values())) == len(names):
            return shorter
    return {name: name for name in names}


def _alike(rows: Sequence[ReactionRow]) -> list[list[ReactionRow]]:
    """Return rows of one fault in parts that show the same, times apart."""
    found: dict[object, list[ReactionRow]] = {}
    for row in rows:
        shown = (
            tuple(row.reactions.items()),
            row.incidents,
            row.injected,
            row.attempts,
            row.waited_s is None,
            row.recovered.value,
            row.success.value,
        )
        found.setdefault(shown, []).append(row)
    return list(found.values())


def _done(reactions: Mapping[str, int]) -> str:
    """Return what was done; how often, where it was not always the same."""
    words = {kind.replace("_", " "): count for kind, count in reactions.items()}
    if len(words) == 1:
        return next(iter(words))
    return ", ".join(f"{kind} {count}" for kind, count in words.items())
