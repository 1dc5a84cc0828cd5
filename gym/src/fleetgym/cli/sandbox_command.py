"""`fleetgym sandbox`, and what sandboxes promise, for the commands that show it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from fleetgym.cli.output import as_json, print_json, print_table

__all__ = ["promise_rows", "sandbox"]


@click.group(short_help="Remove what killed runs have left behind.")
def sandbox() -> None:
    """Look after sandboxes."""


@sandbox.command(epilog="Example: fleetgym sandbox gc --dry-run")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@as_json
def gc(*, dry_run: bool, as_json: bool) -> None:
    """Remove the containers and directories of runs that were killed.

    What belongs to a process that runs is left alone, and so is every container that fleetgym has
    not made. The next run that uses a sandbox does the same by itself.
    """
    from fleetgym.held import RUNNERS, find_left, remove_left
    from fleetgym.sandboxes.docker_owner import PURPOSE, owner_pid
    from fleetgym.sandboxes.garbage import collect

    found = collect(dry_run=dry_run)
    rows = [
        ("container", one.id[:12], one.labels.get(PURPOSE, ""), owner_pid(one.labels))
        for one in found.containers
    ]
    rows += [("directory", str(path), "sandbox", None) for path in found.jails]
    runners = (find_left if dry_run else remove_left)(Path(tempfile.gettempdir()), RUNNERS)
    rows += [("directory", str(path), "runner", None) for path in runners]
    if as_json:
        keys = ("what", "name", "purpose", "pid")
        left = [dict(zip(keys, row, strict=True)) for row in rows]
        print_json({"dry_run": dry_run, "left": left, "no_daemon": found.no_daemon})
        return
    if rows:
        print_table(("left behind", "name", "purpose", "by process"), rows)
    click.echo(f"{len(rows)} {'would be' if dry_run else 'were'} removed.")
    if found.no_daemon:
        click.echo(f"No containers were looked for. {found.no_daemon}", err=True)


def promise_rows() -> list[dict[str, Any]]:
    """Return what each kind of sandbox promises, and whether this machine keeps it."""
    from fleetgym.sandboxes import KINDS, check

    return [
        {"sandbox": kind, "promise": promise.name, "kept": promise.kept, "hint": promise.hint}
        for kind in KINDS
        for promise in check(kind)
    ]
