"""Ways to seek a score in DataExploration-v1 without understanding the tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fleetgym.contracts.policy import Adversary, ask
from fleetgym.contracts.tools import SUBMIT, ToolCall
from fleetgym_env_data_exploration.expert import contract_of
from fleetgym_env_data_exploration.expert.tables import look

if TYPE_CHECKING:
    from fleetgym.contracts.episode import Brief
    from fleetgym.contracts.policy import Plan
    from fleetgym.contracts.scenario import Budget

__all__ = ["ADVERSARIES"]

_BY_TYPE = {
    "TIMESTAMP": ("time", "timestamp"),
    "DOUBLE": ("money", "eur"),
    "INTEGER": ("code", "none"),
}


def _by_type(brief: Brief, budget: Budget, seed: int) -> Plan:
    """Profile everything, call columns what their types are mostly for, relate all that fits."""
    del brief, budget, seed
    tables = yield from look()
    keys = [next((c for c in t.columns if c.unique), t.columns[0]) for t in tables.values()]
    for table, key in zip(tables.values(), keys, strict=True):
        for column in table.columns:
            column.role, column.unit = _BY_TYPE.get(column.type, ("code", "none"))
            if column.type == "BIGINT":
                column.role = "identifier" if column is key else "reference"
                inside = [
                    k for k in keys if k.type == "BIGINT" and k.least <= column.least <= k.most
                ]
                column.refers = next((k for k in inside if k.table != column.table), None)
        table.key, table.entity = [key], "order"
    first = next(iter(tables))
    sql = f'SELECT * FROM "{first}"'  # noqa: S608 - a table that was listed
    yield from ask("run_sql", query=sql)
    yield ToolCall(SUBMIT, {"answer": json.dumps(contract_of(tables, sql))})


ADVERSARIES = (
    Adversary(
        name="by-type",
        summary="profiles everything, calls columns by their types, relates all ranges that fit",
        below=0.4,
        plan=_by_type,
    ),
)
