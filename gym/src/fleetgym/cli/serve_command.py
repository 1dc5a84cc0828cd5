"""`fleetgym serve`."""

from __future__ import annotations

from pathlib import Path

import click

from fleetgym.cli.output import as_json, data_set, print_json, warn_of_no_sandbox

__all__ = ["serve"]


@click.command(
    short_help="Open one episode to any agent that speaks HTTP.",
    context_settings={"ignore_unknown_options": True},
    epilog="Examples:  fleetgym serve cti/linux-cron-persistence --seed 3  ·  fleetgym serve "
    "cti/aks-exec-secrets -- python my_agent.py",
)
@click.argument("scenario")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("--seed", default=0, show_default=True, help="Names the instance.")
@click.option("--model", default="policy/competent", show_default=True, help="Who answers chats.")
@click.option("--base-url", help="An OpenAI-compatible endpoint that serves --model.")
@click.option("--api-key-env", default="OPENAI_API_KEY", show_default=True)
@click.option("--grader", help="The environment's first one by default.")
@click.option("--sandbox", default="local", show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/serve"),
    show_default=True,
    help="Where the run record goes.",
)
@click.option("--port", default=0, help="Of 127.0.0.1.  [default: one that is free]")
@click.option("--seconds", default=3600.0, show_default=True, help="The episode is open so long.")
@data_set
@as_json
def serve(
    scenario: str,
    *,
    command: tuple[str, ...],
    seed: int,
    model: str,
    base_url: str | None,
    api_key_env: str,
    grader: str | None,
    sandbox: str,
    out: Path,
    port: int,
    seconds: float,
    as_json: bool,
) -> None:
    """Open one episode of SCENARIO over HTTP, as docs/protocol.md describes.

    Prints where it is and its token, waits until it has ended and prints the score. With a COMMAND
    behind `--`, runs that with FLEETGYM_EPISODE, FLEETGYM_TOKEN, OPENAI_BASE_URL and
    OPENAI_API_KEY set, and ends with it.
    """
    from fleetgym.runner.choose import check_provider
    from fleetgym.runner.serve import ServeOptions, serve_episode

    check_provider(base_url, model, api_key_env)
    warn_of_no_sandbox(sandbox)
    record = serve_episode(
        ServeOptions(
            scenario=scenario,
            seed=seed,
            model=model,
            base_url=base_url,
            api_key_variable=api_key_env,
            grader=grader,
            sandbox=sandbox,
            out=out,
            port=port,
            seconds=seconds,
            command=command,
        ),
        announce=print_json if as_json else _announce,
    )
    result = {
        "run_id": record.run_id,
        "outcome": record.outcome.value,
        "score": record.score.value if record.score else None,
        "parts": record.score.parts if record.score else {},
        "steps": record.usage.steps,
    }
    if as_json:
        print_json(result)
    else:
        click.echo(f"{record.outcome.value}: {record.detail}  (run {record.run_id} in {out})")


def _announce(where: dict[str, str]) -> None:
    for name, value in where.items():
        click.echo(f"{name}={value}")
    click.echo("The episode is open. Submit, or press Ctrl-C to end it.", err=True)
