"""The comparison as tables for a terminal; readable from 80 columns on."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from fleetgym.analysis.reaction_table import reaction_tables
from fleetgym.contracts.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import RenderableType

    from fleetgym.analysis.conditions import ConditionRow
    from fleetgym.analysis.coordination import TeamRow
    from fleetgym.analysis.statistics import Estimate
    from fleetgym.analysis.summary import Comparison, Row

__all__ = ["comparison_text", "megabytes", "print_comparison", "quantity", "render_comparison"]

_OUTCOME_NAMES = {
    Outcome.SUCCESS: "success",
    Outcome.FAILURE: "failure",
    Outcome.NO_SUBMISSION: "no subm.",
    Outcome.BUDGET_EXHAUSTED: "budget",
    Outcome.FRAMEWORK_ERROR: "fw error",
    Outcome.MODEL_ERROR: "model err",
    Outcome.VOID: "void",
}


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print a comparison to ``console``, standard output by default."""
    (console or Console()).print(render_comparison(comparison))


def comparison_text(comparison: Comparison, width: int = 100) -> str:
    """Return a comparison as text without colors."""
    file = io.StringIO()
    Console(file=file, width=width, color_system=None).print(render_comparison(comparison))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def render_comparison(comparison: Comparison) -> RenderableType:
    """Return three tables: what was achieved, what it took, and how runs ended."""
    parts: list[RenderableType] = [Text(comparison.banner, style="bold yellow")]
    parts.append(Text(_headline(comparison), style="dim"))
    if comparison.rows:
        parts += [_results(comparison), _effort(comparison.rows), _outcomes(comparison.rows)]
    if comparison.teams:
        parts += [_teams(comparison.teams), *_stuck(comparison.teams)]
    # A condition that is one fault says all that it has to say in the table on faults.
    parts += _conditions([r for r in comparison.conditions if "faults/" not in r.condition])
    parts += reaction_tables(comparison.reactions)
    for name, voids in comparison.voids:
        parts.append(Text(f"{name}: all {voids} runs void", style="red"))
    parts += [Text(f"note: {note}", style="yellow") for note in comparison.notes]
    return Group(*parts)


def _headline(comparison: Comparison) -> str:
    suites = ", ".join(comparison.suites) or "no suite"
    ceiling = "" if comparison.ceiling is None else f" · expert {comparison.ceiling:.3f}"
    return f"{suites} · {comparison.runs} runs{ceiling} · [95 % intervals]"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("framework", overflow="fold", style="cyan", no_wrap=False)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _results(comparison: Comparison) -> Table:
    table = _table("\nresult", "runs", "success %", "final score", "reward")
    for row in comparison.rows:
        table.add_row(
            Text(row.name),
            str(row.runs),
            _estimate(row.success, 100, 0),
            _estimate(row.score, 1, 3),
            f"{row.reward:.3f}",
        )
    return table


def _estimate(estimate: Estimate, scale: float, digits: int) -> str:
    value, low, high = (
        f"{number * scale:.{digits}f}" for number in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} [{low}, {high}]".replace("[", r"\[")


def _effort(rows: Sequence[Row]) -> Table:
    columns = ("steps", "calls", "tokens in", "out", "wall s", "CPU s", "MB")
    table = _table("\nper run", *columns)
    for row in rows:
        table.add_row(
            Text(row.name),
            f"{row.steps:.1f}",
            f"{row.model_calls:.1f}",
            quantity(row.input_tokens),
            quantity(row.output_tokens),
            f"{row.wall_s:.2f}",
            f"{row.cpu_s:.2f}",
            megabytes(row.peak_memory_bytes),
        )
    return table


def _outcomes(rows: Sequence[Row]) -> Table:
    occurred = [o for o in Outcome if any(row.outcomes.get(o.value) for row in rows)]
    table = _table("\noutcomes", *(_OUTCOME_NAMES[outcome] for outcome in occurred))
    for row in rows:
        table.add_row(Text(row.name), *(str(row.outcomes.get(o.value, "·")) for o in occurred))
    return table


def _teams(rows: Sequence[TeamRow]) -> Table:
    """Return what working together took; differences are to the same framework's ``single``."""
    columns = ("agents", "passed on", "text", "JSON %", "calls", "tokens")
    table = _table("\nteams, per run (calls and tokens: more than single)", *columns)
    for row in rows:
        table.add_row(
            Text(row.name),
            f"{row.agents:.1f}",
            f"{row.handoffs + row.messages:.1f}",
            quantity(row.characters),
            "·" if row.structured is None else f"{row.structured * 100:.0f}",
            "·" if row.more_calls is None else f"{row.more_calls:+.1f}",
            "·" if row.more_tokens is None else _signed(row.more_tokens),
        )
    return table


def _stuck(rows: Sequence[TeamRow]) -> list[Table]:
    """Return in how many runs a team stuck, by kind; nothing where none did."""
    kinds = sorted({kind for row in rows for kind in row.tangles})
    if not kinds:
        return []
    table = _table("\nruns in which a team stuck", *kinds)
    for row in rows:
        table.add_row(Text(row.name), *(str(row.tangles.get(kind, "·")) for kind in kinds))
    return [table]


def _signed(number: float) -> str:
    return f"{'-' if number < 0 else '+'}{quantity(abs(number))}"


def _conditions(rows: Sequence[ConditionRow]) -> list[Table]:
    """Return a table a condition, so that none is mistaken for another; columns as it needs."""
    tables: list[Table] = []
    for condition in dict.fromkeys(row.condition for row in rows):
        mine = [row for row in rows if row.condition == condition]
        cells = {
            name: values
            for name, shown in _CONDITION_COLUMNS.items()
            if any(values := [shown(row) for row in mine])
        }
        table = _table(f"\n{condition}", *cells)
        for number, row in enumerate(mine):
            table.add_row(Text(row.name), *(values[number] or "·" for values in cells.values()))
        tables.append(table)
    return tables


_CONDITION_COLUMNS: Mapping[str, Callable[[ConditionRow], str]] = {
    "runs": lambda row: str(row.runs),
    "succ. %": lambda row: f"{row.success.value * 100:.0f}",
    "score": lambda row: f"{row.score:.3f}",
    "- clean": lambda row: f"{row.difference.value:+.3f}" if row.difference else "",
    "seen": lambda row: str(row.exposed or ""),
    "attack %": lambda row: _estimate(row.attack_success, 100, 0) if row.attack_success else "",
    "tried": lambda row: str(row.attempted or ""),
    "faults": lambda row: f"{row.faults:.1f}" if row.faults else "",
}


def quantity(number: float) -> str:
    """Return a count in at most five characters, for example ``950`` or ``12.3k``."""
    for unit, size in (("M", 1_000_000), ("k", 1000)):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:.0f}"


def megabytes(size: int) -> str:
    """Return bytes in whole megabytes of 10^6."""
    return f"{size / 1e6:.0f}"
