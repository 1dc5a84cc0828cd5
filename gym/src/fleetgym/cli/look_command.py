"""`fleetgym list`, `compare`, `report` and `show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetgym.cli.output import as_json, data_set, print_json, print_table
from fleetgym.cli.sandbox_command import promise_rows
from fleetgym.contracts.errors import OperatorError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetgym.contracts.record import RunRecord
    from fleetgym.contracts.tools import ToolSpec
    from fleetgym.registry import Registry

__all__ = ["compare", "list_", "report", "show"]


@click.command(
    name="list",
    short_help="List frameworks, environments, scenarios, models, tools, graders …",
    epilog="Example: fleetgym list scenarios --json",
)
@click.argument(
    "kind",
    type=click.Choice(
        [
            "frameworks",
            "environments",
            "scenarios",
            "conditions",
            "models",
            "tools",
            "graders",
            "sandboxes",
        ]
    ),
)
@data_set
@as_json
def list_(kind: str, *, as_json: bool) -> None:
    """List what there is of KIND, what is broken included."""
    from fleetgym import home
    from fleetgym.registry import Registry

    registry = Registry.discover(data=home.data_set())
    rows = _LISTS[kind](registry)
    if as_json:
        print_json(rows)
        return
    if rows:
        shown = [name for name in rows[0] if name != "parameters"]
        print_table(shown, [[row[name] for name in shown] for row in rows])
    for broken in registry.broken:
        click.echo(f"broken: {broken.name}: {broken.reason}", err=True)


def _frameworks(registry: Registry) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "version": found.version,
            "topologies": " ".join(found.spec.topologies),
            "summary": found.spec.summary,
        }
        for name, found in registry.frameworks.items()
    ]


def _environments(registry: Registry) -> list[dict[str, Any]]:
    return [
        {"id": spec.id, "graders": " ".join(spec.graders), "summary": spec.summary}
        for spec in registry.environments.values()
    ]


def _scenarios(registry: Registry) -> list[dict[str, Any]]:
    return [
        {
            "id": scenario.id,
            "version": scenario.version,
            "platform": scenario.platform,
            "difficulty": scenario.difficulty,
            "title": scenario.title,
        }
        for scenario in registry.scenarios().values()
    ]


def _conditions(registry: Registry) -> list[dict[str, Any]]:
    return [
        {"name": s.name, "hostile": s.hostile, "summary": s.summary}
        for s in registry.conditions.values()
    ]


def _models(registry: Registry) -> list[dict[str, Any]]:
    return [{"name": s.name, "summary": s.summary} for s in registry.models.values()]


def _graders(registry: Registry) -> list[dict[str, Any]]:
    return [{"name": s.name, "summary": s.summary} for s in registry.graders.values()]


def _tools(registry: Registry) -> list[dict[str, Any]]:
    """Return every tool that an agent may be offered, those of conditions last."""
    from contextlib import closing

    from fleetgym import environments
    from fleetgym.sandboxes import provider

    found: dict[tuple[str, str], ToolSpec] = {}
    with closing(provider("none", max_idle=0)) as sandboxes:
        for spec in registry.environments.values():
            first = next(iter(registry.scenarios(spec.id)))
            env = environments.make(registry, first, sandboxes=sandboxes)
            found |= {(spec.id, name): tool for name, tool in env.all_tools().items()}
            env.close()
    for condition in registry.conditions.values():
        for tool in registry.condition(condition.name).tools:
            found[f"condition {condition.family}", tool.name] = tool
    return [
        {
            "of": whose,
            "tool": tool.name,
            "version": tool.version,
            "scopes": " ".join(tool.scopes),
            "destructive": tool.destructive,
            "description": tool.description.partition(". ")[0].partition("\n")[0],
            "parameters": tool.parameters,
        }
        for (whose, _), tool in found.items()
    ]


def _sandboxes(_: Registry) -> list[dict[str, Any]]:
    return promise_rows()


_LISTS: dict[str, Callable[[Any], list[dict[str, Any]]]] = {
    "frameworks": _frameworks,
    "environments": _environments,
    "scenarios": _scenarios,
    "conditions": _conditions,
    "models": _models,
    "tools": _tools,
    "graders": _graders,
    "sandboxes": _sandboxes,
}


def _records(runs: Path) -> list[RunRecord]:
    from fleetgym.records.store import scan

    found = scan(runs)
    for problem in found.problems:
        click.echo(f"skipped {problem.path.name}: {problem.reason}", err=True)
    if not found.records:
        raise OperatorError(f"{str(runs)!r} holds no finished run yet.")
    return found.records


@click.command(
    short_help="Compare frameworks on the runs of a directory.",
    epilog="Example: fleetgym compare runs/quickstart",
)
@click.argument("runs", type=click.Path(path_type=Path))
@as_json
def compare(runs: Path, *, as_json: bool) -> None:
    """Compare frameworks on the run records in directory RUNS."""
    from fleetgym.analysis.summary import summarize
    from fleetgym.analysis.table import print_comparison

    comparison = summarize(_records(runs))
    if as_json:
        print_json(comparison.to_json())
    else:
        print_comparison(comparison)


@click.command(
    short_help="Write the comparison as one HTML file.",
    epilog="Example: fleetgym report runs/quickstart --out report.html",
)
@click.argument("runs", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="HTML file.  [default: RUNS/report.html]"
)
@as_json
def report(runs: Path, *, out: Path | None, as_json: bool) -> None:
    """Write reward curves, comparison and every trajectory of RUNS as one HTML file."""
    from fleetgym.analysis.report import write_report

    target = out or runs / "report.html"
    records = _records(runs)
    try:
        write_report(records, target)
    except OSError as error:
        raise OperatorError(
            f"{str(target)!r} cannot be written: {error.strerror}. Give another --out."
        ) from error
    if as_json:
        print_json({"report": str(target), "runs": len(records)})
    else:
        click.echo(f"wrote {target}")


@click.command(
    short_help="Print one run, step by step.",
    epilog="Example: fleetgym show runs/quickstart/records/0123456789abcdef.json.gz  ·  "
    "fleetgym show 0123 --runs runs/quickstart",
)
@click.argument("run")
@click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Where to look for the id: a directory of run records, or of such directories.",
)
@as_json
def show(run: str, *, runs: Path, as_json: bool) -> None:
    """Print one RUN: a record file, or an id or its beginning."""
    from fleetgym.analysis.trajectory import print_trajectory

    record = _find(run, runs)
    if as_json:
        print_json(record.model_dump(mode="json"))
    else:
        print_trajectory(record)


def _find(run: str, runs: Path) -> RunRecord:
    from fleetgym.records.store import read_one

    if Path(run).is_file():
        paths = [Path(run)]
    else:
        paths = sorted(
            path
            for pattern in ("records/*.json.gz", "*/records/*.json.gz")
            for path in runs.glob(pattern)
        )
        matching = [path for path in paths if path.name.startswith(run)]
        if not matching:
            raise UnknownName("run", run, (path.name.partition(".")[0] for path in paths))
        paths = matching
    if len(paths) > 1:
        shown = ", ".join(str(path) for path in paths[:5])
        raise OperatorError(f"{run!r} fits {len(paths)} runs: {shown}. Give more of the id.")
    try:
        return read_one(paths[0])
    except ValueError as error:
        raise OperatorError(f"{str(paths[0])!r} cannot be shown: {error}.") from error
