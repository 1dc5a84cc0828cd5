"""One seed's version of a scenario: tables in a disguise, their twins, and a question."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from fleetgym.toolserver.warehouse import TWINS, WAREHOUSE
from fleetgym_env_data_exploration.disguise import ENTITIES, KEYS, draw_disguise
from fleetgym_env_data_exploration.questions import COLUMNS, QUESTIONS
from fleetgym_graders.exploration import ExplorationTruth, TableTruth
from fleetgym_warehouse.commerce import draw_frame, draw_rows
from fleetgym_warehouse.database import answered, write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym.contracts.scenario import Scenario
    from fleetgym_env_data_exploration.disguise import Disguise
    from fleetgym_warehouse.commerce import Tables

__all__ = ["generate"]

_FIRST_MONTH = 2025 * 12 + 9
"""October 2025, in months."""

_MONTHS = 7


def generate(scenario: Scenario, seed: int, directory: Path) -> tuple[str, ExplorationTruth]:
    """Write the tables of ``seed`` into ``directory``; return the prompt and the truth."""
    rng = np.random.default_rng([seed, *scenario.id.encode()])
    parameters = scenario.parameters
    entities = parameters["entities"]
    while True:
        frame = draw_frame(rng)
        digits = {name: codes[0].isdecimal() for name, codes in frame.codes.items()}
        disguise = draw_disguise(
            rng, entities, digits=digits, opaque=parameters["opaque"],
            prefixes=parameters["prefixes"],
        )  # fmt: skip
        draws = [draw_rows(frame, rng) for _ in range(2)]
        if parameters["prefixes"] or _decidable(disguise, draws[0]):
            break
    month = _FIRST_MONTH + int(rng.integers(_MONTHS))
    since, until = (datetime(at // 12, at % 12 + 1, 1) for at in (month, month + 1))  # noqa: DTZ001 - UTC throughout
    query = QUESTIONS[parameters["question"]](disguise, frame, since, until)
    answers: list[list[list[Any]]] = []
    for name, tables in zip((WAREHOUSE, TWINS[0]), draws, strict=True):
        write(directory / name, disguise.dressed(tables))
        answers.append(answered(directory / name, query))
    truth = ExplorationTruth(
        tables={disguise.tables[entity]: _table(disguise, entity) for entity in entities},
        relations=_relations(disguise),
        columns=list(COLUMNS[parameters["question"]]),
        answers=answers,
    )
    return scenario.prompt.format(month=f"{since:%B %Y}"), truth


def _table(disguise: Disguise, entity: str) -> TableTruth:
    looks = disguise.looks[entity]
    roles = {field.name: field.role for field in ENTITIES[entity]}
    columns = {look.name: [roles[field], look.unit] for field, look in looks.items()}
    columns |= {look.name: ["technical", look.unit] for look in disguise.extras[entity]}
    keys = [[looks[field].name for field in key] for key in KEYS.get(entity, (("id",),))]
    return TableTruth(entity=entity, keys=keys, columns=columns)


def _relations(disguise: Disguise) -> list[list[str]]:
    return [
        [
            f"{disguise.tables[entity]}.{looks[field.name].name}",
            f"{disguise.tables[field.refers]}.{disguise.looks[field.refers]['id'].name}",
        ]
        for entity, looks in disguise.looks.items()
        for field in ENTITIES[entity]
        if field.role == "reference"
    ]


def _decidable(disguise: Disguise, tables: Tables) -> bool:
    """Return whether each reference fits the identifier that it means better than any other.

    Among identifiers that hold all of its values, the one with the fewest values has to be the one
    that is meant; and nothing else may fit an identifier.
    """
    values = _numbers(disguise, tables)
    keys = {entity: found for (entity, field), found in values.items() if field == "id"}
    meant = {
        (entity, field.name): field.refers
        for entity, fields in ENTITIES.items()
        for field in fields
        if field.role == "reference"
    }
    for place, found in values.items():
        holding = [
            entity for entity, key in keys.items() if found <= key and place != (entity, "id")
        ]
        nearest = min(holding, key=lambda entity: len(keys[entity]), default=None)
        if nearest != meant.get(place):
            return False
        if sum(len(keys[entity]) == len(keys[nearest]) for entity in holding if nearest) > 1:
            return False
    return True


def _numbers(disguise: Disguise, tables: Tables) -> Mapping[tuple[str, str], frozenset[int]]:
    """Return the different values of each column of whole numbers."""
    found: dict[tuple[str, str], frozenset[int]] = {}
    for entity, looks in disguise.looks.items():
        for field, look in looks.items():
            if look.kind in ("BIGINT", "INTEGER"):
                written = look.written(tables[entity][field])
                found[entity, field] = frozenset(int(n) for n in written if n is not None)
    return found
