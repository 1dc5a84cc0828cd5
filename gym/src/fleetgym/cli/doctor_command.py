"""`fleetgym doctor`."""

from __future__ import annotations

import click

from fleetgym.cli.output import as_json, print_json, print_table
from fleetgym.cli.sandbox_command import promise_rows

__all__ = ["doctor"]

_MACHINE_LACKS = 3


@click.command(short_help="Say what this machine can and cannot do.")
@as_json
def doctor(*, as_json: bool) -> int | None:
    """Say which promises of the sandboxes this machine can keep, and how to get the others.

    Exit code 3 when the default sandbox cannot be used.
    """
    rows = promise_rows()
    if as_json:
        print_json(rows)
    else:
        print_table(
            ("sandbox", "promise", "kept", "what to do"),
            [(r["sandbox"], r["promise"], "yes" if r["kept"] else "NO", r["hint"]) for r in rows],
        )
    local = [row for row in rows if row["sandbox"] == "local"]
    return None if all(row["kept"] for row in local) else _MACHINE_LACKS
