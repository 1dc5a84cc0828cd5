"""`fleetgym check`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetgym.cli.output import as_json, print_json, print_table, warn_of_no_sandbox

if TYPE_CHECKING:
    from fleetgym.contracts.scenario import Scenario
    from fleetgym.registry import Registry
    from fleetgym.runner.check import Check

__all__ = ["check"]


@click.group(short_help="Hold environments, scenarios and frameworks to their promises.")
def check() -> None:
    """Hold what plugins contribute to its promises."""


@check.command(
    epilog="Example: fleetgym check env fleetgym/CtiRealm-v1 --seeds 0-19",
)
@click.argument("name")
@click.option("--seeds", default="0-2", show_default=True, help="For example 0-19 or 3,5.")
@click.option("--scenario", "scenarios", multiple=True, help="Only this one; may be repeated.")
@click.option(
    "--sandbox", default="local", show_default=True, help="Where tools run: local, docker or none."
)
@click.option("--jobs", default=0, help="Processes at a time.  [default: one a core]")
@click.option(
    "--table",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Put what came out into this Markdown file, in place of what it says of NAME.",
)
@as_json
def env(
    name: str,
    *,
    seeds: str,
    scenarios: tuple[str, ...],
    sandbox: str,
    jobs: int,
    table: Path | None,
    as_json: bool,
) -> int | None:
    """Hold environment NAME to what every environment promises.

    Gymnasium's own checker, determinism, rewards that sum to the score, an expert that solves
    each scenario, agents that cheat or do nothing and do not, scores that fall as skill falls.
    Exit code 1 when something does not hold.
    """
    from fleetgym.registry import Registry
    from fleetgym.runner import validity
    from fleetgym.runner.check import check_environment
    from fleetgym.runner.suite import parse_seeds

    if table and scenarios:
        raise click.UsageError("--table takes all scenarios of NAME: leave out --scenario.")

    try:
        wanted = parse_seeds(seeds)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--seeds") from error
    warn_of_no_sandbox(sandbox)
    registry = Registry.discover()
    done: list[Check] = []
    for one in check_environment(
        registry, name, seeds=wanted, scenarios=scenarios, sandbox=sandbox, jobs=jobs
    ):
        done.append(one)
        if not one.holds or sys.stderr.isatty():
            click.echo(_line(one), err=True)
    failed = [one for one in done if not one.holds]
    if table:
        part = validity.section(registry, name, done, seeds=seeds, sandbox=sandbox)
        text = table.read_text("utf-8") if table.is_file() else ""
        table.write_text(validity.with_section(text, name, part), "utf-8")
    if as_json:
        print_json({"holds": not failed, "checks": [asdict(one) for one in done]})
    else:
        print_table(("scenario", "check", "holds", "values"), _rows(done))
    return 1 if failed else None


@check.command(
    epilog="Examples: fleetgym check framework langgraph  ·  fleetgym check framework mine "
    "--only 'plays*'",
)
@click.argument("name")
@click.option("--isolate", default="local", show_default=True, help="How its runs are isolated.")
@click.option("--only", multiple=True, help="A promise, or a pattern of some; may be repeated.")
@as_json
def framework(name: str, *, isolate: str, only: tuple[str, ...], as_json: bool) -> int | None:
    """Hold the plugin of framework NAME to what every plugin promises.

    Plays scripted episodes: one that goes well, several calls at once, side by side, a model that
    is out of order or silent, a tool that raises, limits, the end of an episode, a kill, and one
    for each kind of team. Exit code 1 when something does not hold.
    """
    import asyncio

    from fleetgym.registry import Registry
    from fleetgym.runner.check_framework import check_framework

    async def checked() -> list[Check]:
        done: list[Check] = []
        async for one in check_framework(Registry.discover(), name, isolate=isolate, only=only):
            done.append(one)
            if not as_json:
                click.echo(f"{'ok  ' if one.holds else 'FAIL'} {one.name}")
                for problem in one.detail.split("; ") if one.detail else ():
                    click.echo(f"       {problem}")
        return done

    done = asyncio.run(checked())
    failed = [one for one in done if not one.holds]
    if as_json:
        print_json({"holds": not failed, "checks": [asdict(one) for one in done]})
    else:
        click.echo(f"{name}: {len(done) - len(failed)} of {len(done)} promises hold.")
    return 1 if failed else None


@check.command(epilog="Example: fleetgym check scenario cti/linux-cron-persistence")
@click.argument("names", nargs=-1)
@click.option("--write", is_flag=True, help="Write down versions that have no digest yet.")
@click.option(
    "--instances/--no-instances",
    default=True,
    help="Whether to generate an instance of each, too.  [default: --instances]",
)
@as_json
def scenario(names: tuple[str, ...], *, write: bool, instances: bool, as_json: bool) -> int | None:
    """Refuse scenarios that changed without another version; all of them without NAMES.

    A name is a scenario's or an environment's. A run's id names its scenario's version, so equal
    ids have to mean equal tasks: a scenario's file keeps the digests of each version in its
    changelog. Exit code 1 when one does not fit.
    """
    from fleetgym.registry import Registry
    from fleetgym.runner.check_scenario import scenario_problems

    registry = Registry.discover()
    rows: list[dict[str, Any]] = []
    for one in _scenarios(registry, names):
        problems = scenario_problems(registry, one, instances=instances, write=write)
        rows.append(
            {
                "scenario": one.id,
                "version": one.version,
                "file": _near(one.source) if one.source else "",
                "problems": problems,
            }
        )
    failed = [row for row in rows if row["problems"]]
    broken = [] if names else registry.broken
    if as_json:
        print_json(
            {
                "holds": not failed and not broken,
                "scenarios": rows,
                "broken": [asdict(one) for one in broken],
            }
        )
    else:
        for row in failed:
            for problem in row["problems"]:
                click.echo(f"{row['file'] or row['scenario']}: {problem}")
        for one in broken:
            click.echo(f"broken: {one.name}: {one.reason}")
        click.echo(
            f"{len(rows) - len(failed)} of {len(rows)} scenarios are what their version says."
        )
    return 1 if failed or broken else None


def _scenarios(registry: Registry, names: tuple[str, ...]) -> list[Scenario]:
    """Return the scenarios that names stand for; those of broken environments raise the reason."""
    from fleetgym.contracts.errors import SpecError, UnknownName

    found: dict[str, Scenario] = {}
    known = registry.scenarios()
    for name in names:
        if name in registry.environments:
            found |= registry.scenarios(name)
        elif name in known:
            found[name] = known[name]
        elif registry.broken:
            raise SpecError("\n".join(one.reason for one in registry.broken))
        else:
            raise UnknownName("scenario", name, [*known, *registry.environments])
    return list((found if names else known).values())


def _near(path: Path) -> str:
    """Return a path from here if it is below."""
    return str(path.relative_to(here) if path.is_relative_to(here := Path.cwd()) else path)


def _line(check: Check) -> str:
    seed = "" if check.seed is None else f" seed {check.seed}"
    value = "" if check.value is None else f" {check.value:.3f}"
    word = "ok  " if check.holds else "FAIL"
    return f"{word} {check.scenario}{seed} {check.name}{value} {check.detail}"


def _rows(done: list[Check]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for scenario, kind in dict.fromkeys((one.scenario, one.name) for one in done):
        mine = [one for one in done if (one.scenario, one.name) == (scenario, kind)]
        values = [one.value for one in mine if one.value is not None]
        spread = f"{min(values):.3f} to {max(values):.3f}" if values else ""
        rows.append((scenario, kind, f"{sum(one.holds for one in mine)}/{len(mine)}", spread))
    return sorted(rows)
