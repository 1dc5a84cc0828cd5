"""`fleetgym tour`."""

from __future__ import annotations

from pathlib import Path

import click

from fleetgym.cli.output import warn_of_no_sandbox

__all__ = ["tour"]


@click.command(
    short_help="Tell an expert's episode step by step.",
    epilog="Examples:  fleetgym tour k8s/lost-connection --seed 3  ·  fleetgym tour --out tour.md",
)
@click.argument("scenarios", nargs=-1)
@click.option("--seed", default=0, show_default=True, help="Of the instances.")
@click.option(
    "--sandbox", default="local", show_default=True, help="Where tools run: local, docker or none."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Markdown file; printed when it is left out.",
)
def tour(*, scenarios: tuple[str, ...], seed: int, sandbox: str, out: Path | None) -> None:
    """Play SCENARIOS by their environments' experts, and tell what each step earned, as Markdown.

    Without SCENARIOS, the first one of each environment.
    """
    from fleetgym.registry import Registry
    from fleetgym.runner.tour import PREAMBLE, default_scenarios, told

    warn_of_no_sandbox(sandbox)
    registry = Registry.discover()
    names = scenarios or tuple(scenario.id for scenario in default_scenarios(registry))
    sections = [told(registry, name, seed=seed, sandbox=sandbox) for name in names]
    text = "\n".join([PREAMBLE, *sections])
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, "utf-8")
        click.echo(f"wrote {out}", err=True)
