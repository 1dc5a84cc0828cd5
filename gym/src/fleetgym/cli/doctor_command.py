"""`fleetgym doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fleetgym.cli.output import as_json, print_json, print_table
from fleetgym.cli.sandbox_command import promise_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["doctor"]

_MACHINE_LACKS = 3


@click.command(
    short_help="Say what this machine can and cannot do.",
    epilog="Example: fleetgym doctor --json",
)
@as_json
def doctor(*, as_json: bool) -> int | None:
    """Say which promises this machine can keep, and how to get the others.

    Of the sandboxes that tools run in, and of the isolation that frameworks run in. Exit code 3
    when the default of either cannot be used.
    """
    from fleetgym.executors.kinds import KINDS
    from fleetgym.executors.promises import check_isolation

    rows = promise_rows()
    rows += [
        {"isolation": kind, "promise": promise.name, "kept": promise.kept, "hint": promise.hint}
        for kind in KINDS
        for promise in check_isolation(kind)
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(
            ("of", "promise", "kept", "what to do"),
            [(_of(r), r["promise"], "yes" if r["kept"] else "NO", r["hint"]) for r in rows],
        )
    local = [row for row in rows if "local" in (row.get("sandbox"), row.get("isolation"))]
    return None if all(row["kept"] for row in local) else _MACHINE_LACKS


def _of(row: Mapping[str, Any]) -> str:
    return next(f"{what} {row[what]}" for what in ("sandbox", "isolation") if what in row)
