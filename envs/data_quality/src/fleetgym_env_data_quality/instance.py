"""One seed's version of a scenario: tables with defects, their twins, and tables in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fleetgym.toolserver.warehouse import TWINS, WAREHOUSE
from fleetgym_env_data_quality.defects import DEFECTS, Planting
from fleetgym_env_data_quality.documented import dressed, named
from fleetgym_env_data_quality.metrics import METRICS
from fleetgym_graders.quality import DefectTruth, QualityTruth
from fleetgym_warehouse.commerce import draw_frame, draw_rows
from fleetgym_warehouse.database import answered, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fleetgym.contracts.scenario import Scenario
    from fleetgym_env_data_quality.defects import Place
    from fleetgym_warehouse.commerce import Tables

__all__ = ["generate"]

_LETTERS = "bcdfghjklmnpqrstvwxz"


def generate(scenario: Scenario, seed: int, directory: Path) -> tuple[str, QualityTruth]:
    """Write the tables of ``seed`` into ``directory``; return the prompt and the truth."""
    rng = np.random.default_rng([seed, *scenario.id.encode()])
    metric = METRICS[scenario.parameters["metric"]]
    frame, tag = draw_frame(rng), _tag(rng)
    drawn = _drawn(rng, scenario.parameters["tables"], scenario.parameters["defects"])
    wrong: list[dict[Place, list[int]]] = []
    metrics: list[list[list[Any]]] = []
    twin, clean = TWINS
    for name in (WAREHOUSE, twin):
        tables = named(draw_rows(frame, rng), rng)
        if name == WAREHOUSE:
            write(directory / clean, dressed(tables, tag))
        wrong.append(_planted(rng, tables, drawn))
        write(directory / name, dressed(tables, tag))
        metrics.append(answered(directory / name, metric.query(wrong[-1], tag)))
    truth = QualityTruth(
        tables=list(dressed(tables, tag)),
        defects=[
            DefectTruth(place=place.tagged(tag), kind=kind, rows=[rows[place] for rows in wrong])
            for kind, place in drawn.items()
        ],
        columns=list(metric.columns),
        metrics=metrics,
    )
    return scenario.prompt, truth


def _tag(rng: np.random.Generator) -> str:
    """Draw the letters of the system that the tables come from."""
    return "_" + "".join(_LETTERS[int(place)] for place in rng.integers(len(_LETTERS), size=2))


def _drawn(rng: np.random.Generator, tables: Sequence[str], count: int) -> dict[str, Place]:
    """Draw kinds of defects, and a place in these tables for each, every place once."""
    kinds = list(DEFECTS)
    chosen: dict[str, Place] = {}
    for index in rng.permutation(len(kinds)):
        kind = kinds[int(index)]
        taken = set(chosen.values())
        places = [one for one in DEFECTS[kind] if one.table in tables and one not in taken]
        if places and len(chosen) < count:
            chosen[kind] = places[int(rng.integers(len(places)))]
    # Copies are made first, of rows that nothing else is wrong with.
    return {kind: chosen[kind] for kind in kinds if kind in chosen}


def _planted(
    rng: np.random.Generator, tables: Tables, drawn: Mapping[str, Place]
) -> dict[Place, list[int]]:
    planting = Planting(tables, rng)
    return {place: planting.plant(kind, place) for kind, place in drawn.items()}
