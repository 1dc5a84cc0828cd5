"""The expert of DataExploration-v1, driven by observations only.

It knows the craft: how identifiers, references, prices and times look, and how tables that belong
to each other hang together. Of an instance it knows what the tools told it, so nothing in this
package imports what makes instances.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import PlanLost
from fleetgym.contracts.policy import ask
from fleetgym.contracts.tools import SUBMIT, ToolCall
from fleetgym_env_data_exploration.expert.answers import answer
from fleetgym_env_data_exploration.expert.reading import read_tables
from fleetgym_env_data_exploration.expert.tables import look

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.policy import Plan
    from fleetgym_env_data_exploration.expert.tables import Table

__all__ = ["DataExpert", "contract_of"]


class DataExpert:
    """Solves every scenario of the environment."""

    def plan(self, prompt: str) -> Plan:
        """Look at everything, work out what it is, try the query, and hand both in."""
        try:
            tables = yield from look()
            yield from read_tables(tables)
            sql = yield from answer(prompt, tables)
        except (LookupError, TypeError, ValueError, StopIteration, RuntimeError) as error:
            raise PlanLost(f"The tables make no sense: {error!r}.") from error
        yield from ask("run_sql", query=sql)
        yield ToolCall(SUBMIT, {"answer": json.dumps(contract_of(tables, sql))})


def contract_of(tables: Mapping[str, Table], sql: str) -> dict[str, Any]:
    """Return what is known of tables as a data contract."""
    columns = [column for table in tables.values() for column in table.columns]
    return {
        "tables": [
            {
                "table": table.name,
                "entity": table.entity or "code",
                "key": [column.name for column in table.key] or [table.columns[0].name],
                "columns": [
                    {"column": c.name, "role": c.role or "technical", "unit": c.unit}
                    for c in table.columns
                ],
            }
            for table in tables.values()
        ],
        "relations": [
            {"from": column.place, "to": column.refers.place}
            for column in columns
            if column.refers is not None
        ],
        "sql": sql,
    }
