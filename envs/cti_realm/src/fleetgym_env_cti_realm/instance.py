"""One seed's version of a scenario: its telemetry, its prompt, its ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fleetgym_env_cti_realm.stories import story_of
from fleetgym_estate.estate_draw import draw_estate
from fleetgym_estate.plant import plant
from fleetgym_graders.detection import DetectionTruth
from fleetgym_kb import cti

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym.contracts.scenario import Scenario

__all__ = ["Instance", "generate"]

DATABASE = "telemetry.duckdb"
_HEADING = "DETECTION OBJECTIVE:\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What was generated beside the telemetry."""

    prompt: str
    truth: DetectionTruth


def generate(scenario: Scenario, seed: int, directory: Path, *, objective: str = "") -> Instance:
    """Write the telemetry of ``seed`` into ``directory`` and return what goes with it.

    Estate, background and plot have generators of their own, so that a change in one draws nothing
    else anew.

    Args:
        scenario: As agents meet it; its parameters name reports, techniques and tables.
        seed: Names the instance.
        directory: Empty.
        objective: The prompt that answers are judged by; by default the scenario's.
    """
    estate = draw_estate(seed)
    streams = np.random.SeedSequence([seed, *scenario.id.encode()]).spawn(3)
    life, intrusion, filler = (np.random.default_rng(stream) for stream in streams)
    plot = story_of(scenario.id)(estate, intrusion)
    rowids = plant(directory / DATABASE, estate, plot.events, life=life, filler=filler)
    rows: dict[str, set[int]] = {}
    for event, rowid in zip(plot.events, rowids, strict=True):
        if event.asked_for:
            rows.setdefault(event.table, set()).add(rowid)
    window = {"start": f"{estate.start:%Y-%m-%d %H:%M}", "end": f"{estate.end:%Y-%m-%d %H:%M}"}
    objective = (objective or scenario.prompt).removeprefix(_HEADING).format(**window)
    return Instance(
        prompt=scenario.prompt.format(**window),
        truth=_truth(scenario.parameters, objective, plot.patterns, rows),
    )


def _truth(
    declared: Mapping[str, Any],
    objective: str,
    patterns: Mapping[str, str],
    rows: Mapping[str, set[int]],
) -> DetectionTruth:
    reports = {report.id: report for report in cti.shipped()}
    return DetectionTruth(
        report_ids=frozenset(declared["reports"]),
        report_tags={name: frozenset(reports[name].tags) for name in declared["reports"]},
        techniques=frozenset(declared["techniques"]),
        tables=frozenset(declared["tables"]),
        rows={table: frozenset(ids) for table, ids in rows.items()},
        patterns=patterns,
        objective=objective,
    )
