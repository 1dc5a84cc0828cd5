"""`fleetgym tools`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from fleetgym.cli.output import as_json, print_json, print_table

__all__ = ["tools"]

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group(short_help="Write down the tools of an MCP server.")
def tools() -> None:
    """Tools that environments take from elsewhere."""


@tools.command(
    name="from-mcp",
    epilog="Example: fleetgym tools from-mcp --out tools.json --mount server=. -- "
    "'{python}' '{server}/my_server.py' '{data}/state.json'",
)
@click.argument("command", nargs=-1)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The environment's catalogue.",
)
@click.option(
    "--mount",
    "mounts",
    multiple=True,
    metavar="NAME=DIR",
    help="A directory that the server sees, as {NAME} in COMMAND; may be repeated.",
)
@click.option("--data", type=_FOLDER, help="What it sees as {data}.  [default: nothing]")
@click.option("--image", default="", help="Its container image, with `--sandbox docker`.")
@click.option("--sandbox", default="local", show_default=True, help="Where it is started.")
@as_json
def from_mcp(
    command: tuple[str, ...],
    *,
    out: Path,
    mounts: tuple[str, ...],
    data: Path | None,
    image: str,
    sandbox: str,
    as_json: bool,
) -> None:
    """Start the MCP server COMMAND, as an episode would, and write its tools to a file.

    In COMMAND, {python} stands for the interpreter that has fleetgym's own packages, {data} for
    the episode's files and {scratch} for a directory that can be written.
    """
    from fleetgym.contracts.catalogue import write_catalogue
    from fleetgym.contracts.sandbox import SandboxSpec
    from fleetgym.sandboxes import list_tools

    spec = SandboxSpec(server=command, image=image, mounts=dict(map(_mount, mounts)))
    with tempfile.TemporaryDirectory() as empty:
        found = list_tools(sandbox, spec, data or Path(empty))
    write_catalogue(out, found)
    if as_json:
        print_json([{"tool": tool.name, "destructive": tool.destructive} for tool in found])
    else:
        print_table(
            ("tool", "destructive", "description"),
            [(tool.name, tool.destructive, tool.description.partition("\n")[0]) for tool in found],
        )


def _mount(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not (name.isidentifier() and equals and Path(folder).is_dir()):
        raise click.BadParameter(
            f"{text!r} is not of the form NAME=DIR, with a directory that exists.",
            param_hint="--mount",
        )
    return name, Path(folder).absolute()
