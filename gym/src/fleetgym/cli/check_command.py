"""`fleetgym check`."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from fleetgym.cli.output import as_json, print_json, print_table

__all__ = ["check"]


@click.group(short_help="Hold an environment to its promises.")
def check() -> None:
    """Hold what plugins contribute to its promises."""


@check.command(
    epilog="Example: fleetgym check env fleetgym/CtiRealm-v1 --seeds 0-19",
)
@click.argument("name")
@click.option("--seeds", default="0-2", show_default=True, help="For example 0-19 or 3,5.")
@click.option("--scenario", "scenarios", multiple=True, help="Only this one; may be repeated.")
@click.option(
    "--sandbox", default="local", show_default=True, help="Where tools run: local or none."
)
@as_json
def env(
    name: str, *, seeds: str, scenarios: tuple[str, ...], sandbox: str, as_json: bool
) -> int | None:
    """Hold environment NAME to what every environment promises.

    Gymnasium's own checker, determinism, rewards that sum to the score, an expert that solves
    each scenario, idle agents that do not. Exit code 1 when something does not hold.
    """
    from fleetgym.registry import Registry
    from fleetgym.runner.check import check_environment
    from fleetgym.runner.suite import parse_seeds
    from fleetgym.sandboxes import provider

    try:
        wanted = parse_seeds(seeds)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--seeds") from error
    sandboxes = provider(sandbox)
    done = []
    try:
        for one in check_environment(
            Registry.discover(), name, sandboxes, seeds=wanted, scenarios=scenarios or None
        ):
            done.append(one)
            if not one.holds or sys.stderr.isatty():
                seed = "" if one.seed is None else f" seed {one.seed}"
                value = "" if one.value is None else f" {one.value:.3f}"
                word = "ok  " if one.holds else "FAIL"
                click.echo(f"{word} {one.scenario}{seed} {one.name}{value} {one.detail}", err=True)
    finally:
        sandboxes.close()
    failed = [one for one in done if not one.holds]
    if as_json:
        print_json({"holds": not failed, "checks": [asdict(one) for one in done]})
    else:
        rows = []
        for scenario in dict.fromkeys(one.scenario for one in done):
            for kind in dict.fromkeys(one.name for one in done):
                mine = [one for one in done if (one.scenario, one.name) == (scenario, kind)]
                values = [one.value for one in mine if one.value is not None]
                spread = f"{min(values):.3f} to {max(values):.3f}" if values else ""
                kept = sum(one.holds for one in mine)
                rows.append((scenario, kind, f"{kept}/{len(mine)}", spread))
        print_table(("scenario", "check", "holds", "values"), rows)
    return 1 if failed else None
