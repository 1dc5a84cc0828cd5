"""What commands share: their common options, and printing as JSON or as a table for people."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fleetgym.home import DATA

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_F = TypeVar("_F", bound="Callable[..., Any]")

__all__ = ["as_json", "data_set", "print_json", "print_table", "warn_of_no_sandbox"]


def as_json(command: _F) -> _F:
    """Give a command the option ``--json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document on standard output."
    )(command)


def data_set(command: _F) -> _F:
    """Give a command the option ``--data``; processes that it starts inherit what is said."""

    def remember(_context: click.Context, _option: click.Parameter, value: Path | None) -> None:
        if value is not None:
            os.environ[DATA] = str(value.resolve())

    return click.option(
        "--data",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        expose_value=False,
        callback=remember,
        help="Directory of the published CTI-REALM data set; its samples are scenarios, too.  "
        f"[default: ${DATA}]",
    )(command)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def warn_of_no_sandbox(kind: str) -> None:
    """Say on standard error what ``--sandbox none`` means."""
    if kind == "none":
        click.echo(
            "fleetgym: --sandbox none ISOLATES NOTHING: what agents ask to be executed runs with "
            "your rights, on your files and your network. Only for agents and models you trust.",
            err=True,
        )


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows under their column names, wrapped to the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(soft_wrap=False).print(table)
