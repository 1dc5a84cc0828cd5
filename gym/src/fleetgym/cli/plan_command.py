"""`fleetgym plan`."""

from __future__ import annotations

from pathlib import Path

import click

from fleetgym.cli.output import as_json, data_set, print_json

__all__ = ["plan"]


@click.command(
    epilog="Example: fleetgym plan suites/quickstart.yaml --json | jq .runs",
    short_help="Say what a suite would run.",
)
@click.argument("suite", type=click.Path(path_type=Path))
@click.option("--prices", type=click.Path(path_type=Path), help="YAML file with models' prices.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Earlier records, to estimate tokens from."
)
@data_set
@as_json
def plan(suite: Path, *, prices: Path | None, out: Path | None, as_json: bool) -> None:
    """Say what SUITE would run, how the runs pair up, and what it may cost. Runs nothing."""
    from dataclasses import asdict

    from fleetgym import home
    from fleetgym.records.store import scan
    from fleetgym.registry import Registry
    from fleetgym.runner.cost import estimate, load_prices
    from fleetgym.runner.plan import REFERENCE, expand
    from fleetgym.runner.suite import load_suite

    made = expand(load_suite(suite), Registry.discover(data=home.data_set()))
    earlier = scan(out).records if out is not None else []
    costs = estimate(made, load_prices(prices), earlier)
    if as_json:
        print_json({**made.to_json(), "costs": [asdict(cost) for cost in costs]})
        return
    summary = made.to_json()
    click.echo(f"{made.suite.name}: {len(made.runs)} runs. {made.suite.description}".rstrip())
    for name, version in summary["frameworks"].items():
        runs = sum(run.key.framework == name for run in made.runs)
        note = " (the expert, without a framework: the ceiling)" if name == REFERENCE else ""
        click.echo(f"  {name} {version}: {runs} runs{note}")
    click.echo(
        f"Factors: {len(summary['scenarios'])} scenarios, {len(summary['conditions'])} conditions, "
        f"{len(made.suite.models)} models, {len(made.suite.seeds)} seeds."
    )
    for factor in made.suite.spread:
        click.echo(f"Each scenario and seed meets one of the {factor}, in turn, not all of them.")
    if made.paired:
        click.echo("Any two frameworks are paired run by run: they meet the same of all these.")
    else:
        click.echo("NOT fully paired: `exclude` takes runs from some frameworks only.")
        for pair in made.pairs:
            click.echo(
                f"  {'/'.join(pair.one)} and {'/'.join(pair.other)}: {pair.paired} pairs, "
                f"{pair.alone} runs without a partner"
            )
    for scenario in summary["scenarios"]:
        click.echo(f"  {scenario}")
    for cost in costs:
        dollars = "no price known" if cost.dollars is None else f"${cost.dollars:.2f}"
        click.echo(
            f"{cost.model}: {cost.runs} runs, about {cost.input_tokens:,.0f} tokens in and "
            f"{cost.output_tokens:,.0f} out ({cost.from_records} runs estimated from earlier "
            f"ones): {dollars}"
        )
