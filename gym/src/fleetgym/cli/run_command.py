"""`fleetgym run`."""

from __future__ import annotations

from pathlib import Path

import click

from fleetgym.cli.output import as_json, data_set, print_json, warn_of_no_sandbox

__all__ = ["run"]

_SOME_VOID = 4


@click.command(
    short_help="Run a suite; what is finished is not done again.",
    epilog="Examples:  fleetgym run suites/quickstart.yaml  ·  fleetgym run suites/quickstart.yaml "
    "--model policy/erratic --out runs/erratic  ·  fleetgym run suites/quickstart.yaml --base-url "
    "http://127.0.0.1:8000/v1 --model my-model",
)
@click.argument("suite", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Records directory.  [default: runs/SUITE-NAME]"
)
@click.option("--model", help="In place of the suite's models; `fleetgym list models` shows them.")
@click.option("--base-url", help="An OpenAI-compatible endpoint that serves --model.")
@click.option(
    "--api-key-env",
    default="OPENAI_API_KEY",
    show_default=True,
    help="Environment variable with the endpoint's key.",
)
@click.option("--framework", "frameworks", multiple=True, help="Only this one; may be repeated.")
@click.option("--scenario", "scenarios", multiple=True, help="Only this one; may be repeated.")
@click.option("--seeds", help="In place of the suite's, for example 0-4.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PLUGIN.KEY=VALUE",
    help="A declared parameter of a plugin, for example langgraph.max_retries=2.",
)
@click.option(
    "--sandbox", default="local", show_default=True, help="Where tools run: local, docker or none."
)
@click.option(
    "--isolate",
    help="Where frameworks run: local, docker or none.  [default: the suite's, or local]",
)
@click.option("--jobs", default=0, help="Runs at a time.  [default: two a core]")
@data_set
@as_json
def run(
    suite: Path,
    *,
    out: Path | None,
    model: str | None,
    base_url: str | None,
    api_key_env: str,
    frameworks: tuple[str, ...],
    scenarios: tuple[str, ...],
    seeds: str | None,
    settings: tuple[str, ...],
    sandbox: str,
    isolate: str | None,
    jobs: int,
    as_json: bool,
) -> int | None:
    """Run SUITE and write one record a run.

    Stopped or killed at any moment, the same command completes the suite: finished runs are kept
    and none is repeated. Exit code 4 when some runs stayed void.
    """
    from fleetgym import home
    from fleetgym.contracts.record import Outcome
    from fleetgym.records.store import scan
    from fleetgym.registry import Registry
    from fleetgym.runner.choose import check_provider, check_sandbox, choose
    from fleetgym.runner.conduct import Options, conduct
    from fleetgym.runner.plan import expand
    from fleetgym.runner.progress import progress
    from fleetgym.runner.suite import load_suite

    chosen = choose(
        load_suite(suite),
        model=model,
        frameworks=frameworks,
        scenarios=scenarios,
        seeds=seeds,
        settings=settings,
    )
    check_provider(base_url, model, api_key_env)
    check_sandbox(chosen, sandbox)
    warn_of_no_sandbox(sandbox)
    registry = Registry.discover(data=home.data_set())
    plan = expand(chosen, registry, any_model=base_url is not None)
    options = Options(
        out=out or Path("runs") / chosen.name,
        sandbox=sandbox,
        isolate=isolate or chosen.isolate,
        base_url=base_url,
        api_key_variable=api_key_env,
        jobs=jobs,
    )
    if options.isolate == "none":
        click.echo(_NO_ISOLATION, err=True)
    conduct(plan, registry, options, progress())
    wanted = {run.run_id for run in plan.runs}
    records = [r for r in scan(options.out).records if r.run_id in wanted]
    if as_json:
        print_json(
            {
                "suite": chosen.name,
                "out": str(options.out),
                "runs": [
                    {
                        "run_id": r.run_id,
                        **r.key.model_dump(include=_SHOWN),
                        "outcome": r.outcome.value,
                        "score": r.score.value if r.score else None,
                    }
                    for r in records
                ],
            }
        )
    else:
        click.echo(f"{len(records)} of {len(plan.runs)} runs are in {options.out}.", err=True)
    void = sum(r.outcome is Outcome.VOID for r in records)
    if void:
        click.echo(
            f"fleetgym: {void} runs are void: the harness failed, not the framework. They score "
            f"nothing; {options.out / 'voids'} says why, and the same command tries them again.",
            err=True,
        )
    return _SOME_VOID if void else None


_SHOWN = {"framework", "framework_version", "topology", "scenario", "condition", "model", "seed"}
_NO_ISOLATION = (
    "WARNING: --isolate none isolates nothing. The frameworks run with your rights, and can read "
    "and change whatever you can, ground truth and records included."
)
