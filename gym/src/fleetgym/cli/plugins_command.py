"""`fleetgym plugins`."""

from __future__ import annotations

from pathlib import Path

import click

from fleetgym.cli.output import as_json, print_json, print_table

__all__ = ["plugins"]


@click.group(short_help="Add, list and remove framework plugins.")
def plugins() -> None:
    """Manage framework plugins, each in an environment of its own at its own versions."""


@plugins.command(epilog="Example: fleetgym plugins add ./plugins/crewai")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--quiet", is_flag=True, help="Say nothing about what is up to date.")
@as_json
def add(paths: tuple[Path, ...], *, quiet: bool, as_json: bool) -> None:
    """Install the plugins in PATHS, each into a virtual environment of its own.

    What is up to date is left alone.
    """
    from fleetgym.registry.plugin_environments import add as add_plugin

    added: list[dict[str, object]] = []
    for path in paths:
        if not quiet:
            click.echo(f"adding {path}", err=True)
        made = add_plugin(path)
        added.append({"name": made.name, "version": made.version, "changed": made.changed})
        if made.changed or not quiet:
            word = "ready" if made.changed else "up to date"
            click.echo(f"{made.name} {made.version}: {word}", err=True)
    if as_json:
        print_json(added)


@plugins.command(name="list", epilog="Example: fleetgym plugins list --json")
@as_json
def list_(*, as_json: bool) -> None:
    """List every plugin with its state; imports none of the frameworks."""
    from fleetgym.registry import Registry

    registry = Registry.discover()
    rows = [
        {"name": name, "version": found.version, "state": "ok", "python": str(found.python)}
        for name, found in registry.frameworks.items()
    ]
    rows += [
        {"name": broken.name, "version": "", "state": f"broken: {broken.reason}", "python": ""}
        for broken in registry.broken
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table([*rows[0]], [[*row.values()] for row in rows])
    else:
        click.echo("There are no plugins. `fleetgym plugins add ./plugins/langgraph` adds one.")


@plugins.command(epilog="Example: fleetgym plugins remove crewai")
@click.argument("name")
def remove(name: str) -> None:
    """Remove the environment of plugin NAME."""
    from fleetgym.registry.plugin_environments import remove as remove_plugin

    remove_plugin(name)
    click.echo(f"{name}: removed", err=True)
