"""The command line. Each command lives in a module of its own, imported when it is called."""

from __future__ import annotations

import importlib
import signal
import sys
from typing import TYPE_CHECKING

import click

from fleetgym.contracts.errors import FleetgymError, OperatorError
from fleetgym.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_COMMANDS = {
    "run": ("run", "Run a suite; what is finished is not done again."),
    "plan": ("plan", "Say what a suite would run."),
    "serve": ("serve", "Open one episode to any agent that speaks HTTP."),
    "compare": ("look", "Compare frameworks on the runs of a directory."),
    "report": ("look", "Write the comparison as one HTML file."),
    "show": ("look", "Print one run, step by step."),
    "list": ("look", "List frameworks, environments, scenarios, models, tools, graders …"),
    "check": ("check", "Hold an environment to its promises."),
    "tour": ("tour", "Tell an expert's episode step by step."),
    "tools": ("tools", "Write down the tools of an MCP server."),
    "plugins": ("plugins", "Add, list and remove framework plugins."),
    "sandbox": ("sandbox", "Remove what killed runs have left behind."),
    "doctor": ("doctor", "Say what this machine can and cannot do."),
}

_WRONG_USE, _MACHINE_LACKS = 2, 3


class _Lazy(click.Group):
    """Knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"fleetgym.cli.{_COMMANDS[cmd_name][0]}_command")
        return getattr(module, "list_" if cmd_name == "list" else cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 something checked does not hold, 2 wrong use, 3 the machine "
    "lacks something, 4 some runs are void.",
)
@click.version_option(__version__, prog_name="fleetgym")
def cli() -> None:
    """Evaluate agent frameworks on the same tasks, and see why they differ.

    \b
    fleetgym plan suites/quickstart.yaml     what would run
    fleetgym run suites/quickstart.yaml      run it
    fleetgym compare runs/quickstart         who did what
    """  # noqa: D301 - \b keeps click from joining the lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Every error that has a name of ours is one message on standard error, never a traceback. SIGTERM
    is taken as Ctrl-C is: what was started is ended, what was made is removed.
    """
    stopped_by = signal.SIGINT

    def stop(number: int, frame: object) -> None:
        nonlocal stopped_by
        del frame
        stopped_by = signal.Signals(number)
        if not callable(signal.getsignal(signal.SIGINT)):  # a shell's job in the background
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, stop)
    try:
        code = cli.main(args=arguments, prog_name="fleetgym", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except FleetgymError as error:
        click.echo(f"fleetgym: {error}", err=True)
        code = _MACHINE_LACKS if isinstance(error, OperatorError) else _WRONG_USE
    except (click.exceptions.Abort, KeyboardInterrupt):  # click makes the one of the other
        click.echo("fleetgym: stopped. The same command goes on where this one ended.", err=True)
        code = 128 + stopped_by
    sys.exit(code if isinstance(code, int) else 0)
