"""The warehouse toolset: looking at tables that nobody described, and asking them in SQL.

Importing this module is cheap: the runner needs its specs. The engine is imported when the toolset
is opened, or before by a warm tool server that imports :data:`PRELOAD`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import SandboxError, ToolError
from fleetgym.contracts.tools import ToolSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym.contracts.sandbox import Limits, ToolFunction
    from fleetgym.toolserver.query_process import QueryProcess

__all__ = ["HIDDEN", "MAX_ROWS", "PRELOAD", "SCOPES", "SPECS", "TWINS", "WAREHOUSE", "open_toolset"]

WAREHOUSE = "warehouse.duckdb"
"""The file, in the mount ``data``."""

TWINS = ("twin.duckdb", "clean.duckdb")
"""Files with other rows in the same tables, which only the grader's tool sees; may be missing."""

HIDDEN = frozenset({"grade_sql"})
PRELOAD = ("fleetgym.toolserver.warehouse_engine",)
SCOPES = ("warehouse:read",)

MAX_ROWS = 50
MAX_SAMPLE_ROWS = 10


def _parameters(*required: str, **properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_TABLE = {"type": "string", "description": "Name of a table, as `list_tables` spells it."}
_QUERY = {"type": "string", "description": "One SELECT in DuckDB's dialect; WITH is fine."}

SPECS = (
    ToolSpec(
        name="list_tables",
        description="List the tables with their numbers of rows and columns.",
        parameters=_parameters(),
    ),
    ToolSpec(
        name="profile_table",
        description="Return of each column of a table its type, how many nulls and different "
        "values it has, its least and its greatest value, and its most frequent ones.",
        parameters=_parameters("table", table=_TABLE),
    ),
    ToolSpec(
        name="sample_rows",
        description=f"Return the first rows of a table, at most {MAX_SAMPLE_ROWS}.",
        parameters=_parameters(
            "table",
            table=_TABLE,
            rows={"type": "integer", "minimum": 1, "maximum": MAX_SAMPLE_ROWS, "default": 5},
        ),
    ),
    ToolSpec(
        name="run_sql",
        description=f"Execute a query and return at most {MAX_ROWS} rows, with the number of all.",
        parameters=_parameters("query", query=_QUERY),
    ),
    ToolSpec(
        name="grade_sql",
        description="Execute a query on the tables and on their twins.",
        parameters=_parameters("query", query=_QUERY),
    ),
)


def open_toolset(mounts: Mapping[str, Path], limits: Limits) -> Mapping[str, ToolFunction]:
    """Start the process that executes queries over ``mounts["data"]``, and return its tools.

    Raises:
        SandboxError: The mount holds no warehouse.
    """
    from fleetgym.toolserver.query_process import QueryProcess  # noqa: PLC0415 - of no use to SPECS
    from fleetgym.toolserver.warehouse_engine import WarehouseEngine  # noqa: PLC0415 - heavy

    data = mounts["data"]
    if not (data / WAREHOUSE).is_file():
        raise SandboxError(f"The mount 'data' holds no {WAREHOUSE}.")
    process = QueryProcess(
        lambda: WarehouseEngine(data, limits).answer,
        memory_bytes=limits.memory_bytes,
        call_seconds=limits.call_seconds,
    )
    tools = _Tools(process)
    return {spec.name: getattr(tools, spec.name) for spec in SPECS}


class _Tools:
    """The functions behind :data:`SPECS`, under the same names."""

    def __init__(self, process: QueryProcess) -> None:
        self._process = process

    def list_tables(self) -> str:
        return self._ask("list_tables")

    def profile_table(self, table: str) -> str:
        return self._ask("profile_table", table=table)

    def sample_rows(self, table: str, rows: int = 5) -> str:
        return self._ask("sample_rows", table=table, rows=rows)

    def run_sql(self, query: str) -> str:
        return self._ask("run_sql", query=query)

    def grade_sql(self, query: str) -> str:
        try:
            return self._ask("grade_sql", query=query)
        except ToolError as error:  # too slow or too large: a result, not a wrong call
            return json.dumps({"ok": False, "error": str(error)})

    def _ask(self, tool: str, **arguments: str | int) -> str:
        return self._process.call({"tool": tool, "arguments": arguments})
