"""The report: one HTML file that holds everything and asks nothing of any network."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fleetgym.analysis.chart import PALETTE, chart_specification, drawing_code
from fleetgym.analysis.report_data import embedded
from fleetgym.analysis.summary import grouped, summarize
from fleetgym.analysis.table import megabytes, quantity
from fleetgym.contracts.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fleetgym.contracts.record import RunRecord

__all__ = ["render_report", "write_report"]


def write_report(records: Sequence[RunRecord], path: Path) -> None:
    """Write the report of ``records`` to ``path``, whole or not at all.

    Args:
        records: At least one.
        path: Its directory is made if need be.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_name(f".{path.name}.making")
    try:
        making.write_text(render_report(records), encoding="utf-8")
        making.replace(path)
    finally:
        making.unlink(missing_ok=True)


def render_report(records: Sequence[RunRecord]) -> str:
    """Return the report as HTML; equal records give equal text."""
    import jinja2  # noqa: PLC0415 - only reports need it

    assets = files("fleetgym.analysis") / "assets"
    script = (assets / "report.js").read_text(encoding="utf-8")
    comparison = summarize(records)
    names = list(grouped(records))
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(quantity=quantity, megabytes=megabytes)
    return environment.from_string(
        (assets / "report.html.jinja").read_text(encoding="utf-8")
    ).render(
        comparison=comparison,
        facts=_facts(records),
        colors={name: PALETTE[index % len(PALETTE)] for index, name in enumerate(names)},
        outcomes=[outcome.value for outcome in Outcome],
        scenarios=sorted({record.key.scenario for record in records}),
        conditions=sorted({record.key.condition for record in records}),
        style=(assets / "report.css").read_text(encoding="utf-8"),
        script=script,
        script_hash=_hash(script),
        data=embedded(records, chart_specification(names), drawing_code()),
    )


def _hash(script: str) -> str:
    """Return what a content security policy names an inline script by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _facts(records: Sequence[RunRecord]) -> dict[str, str]:
    """Return what the head of the report says about the runs, several values joined."""
    started = sorted(record.started_at_utc for record in records if record.started_at_utc)
    versions = {
        f"{name} {version}"
        for runs in grouped(records).values()
        for record in runs
        for name, version in record.worker.versions.items()
    }
    facts: dict[str, set[str]] = {
        "started": {started[0].replace("T", " ").removesuffix("Z") + " UTC"} if started else set(),
        "grader": {
            f"{r.score.grader} version {r.score.grader_version}" for r in records if r.score
        },
        "fleetgym": _manifest(records, "fleetgym"),
        "sandbox": _manifest(records, "sandbox"),
        "commit": _manifest(records, "commit"),
        "measured": versions,
    }
    return {name: ", ".join(sorted(values)) for name, values in facts.items() if values}


def _manifest(records: Sequence[RunRecord], name: str) -> set[str]:
    found: list[Any] = [record.manifest[name] for record in records if name in record.manifest]
    return {value if isinstance(value, str) else json.dumps(value) for value in found}
