"""`fleetgym plan`."""

from __future__ import annotations

from pathlib import Path

import click

from fleetgym.cli.output import as_json, print_json

__all__ = ["plan"]


@click.command(
    epilog="Example: fleetgym plan suites/quickstart.yaml --json | jq .runs",
    short_help="Say what a suite would run.",
)
@click.argument("suite", type=click.Path(path_type=Path))
@as_json
def plan(suite: Path, *, as_json: bool) -> None:
    """Say what SUITE would run, and how the runs pair up. Runs nothing."""
    from fleetgym.registry import Registry
    from fleetgym.runner.plan import REFERENCE, expand
    from fleetgym.runner.suite import load_suite

    made = expand(load_suite(suite), Registry.discover())
    if as_json:
        print_json(made.to_json())
        return
    summary = made.to_json()
    click.echo(f"{made.suite.name}: {len(made.runs)} runs. {made.suite.description}".rstrip())
    for name, version in summary["frameworks"].items():
        runs = sum(run.key.framework == name for run in made.runs)
        note = " (the expert, without a framework: the ceiling)" if name == REFERENCE else ""
        click.echo(f"  {name} {version}: {runs} runs{note}")
    click.echo(
        f"Every framework meets the same {len(summary['scenarios'])} scenarios x "
        f"{len(summary['conditions'])} conditions x {len(made.suite.models)} models x "
        f"{len(made.suite.seeds)} seeds, so that any two are paired run by run."
    )
    for scenario in summary["scenarios"]:
        click.echo(f"  {scenario}")
