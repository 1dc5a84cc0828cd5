"""The telemetry toolset: KQL and SQL over the tables of one instance, and the graders' tools.

Importing this module is cheap: the runner needs its specs. Engines are imported when the toolset is
opened, or before by a warm tool server that imports :data:`PRELOAD`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import SandboxError, ToolError
from fleetgym.contracts.tools import ToolSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym.contracts.sandbox import Limits, ToolFunction
    from fleetgym.toolserver.query_process import QueryProcess

__all__ = ["DATABASE", "HIDDEN", "PRELOAD", "SCOPES", "SPECS", "open_toolset", "warm"]

DATABASE = "telemetry.duckdb"
"""The file, in the mount ``data``."""

HIDDEN = frozenset({"grade_kql", "grade_sigma"})
PRELOAD = ("fleetgym.toolserver.query_engine", "fleetgym.toolserver.sigma")
SCOPES = ("telemetry:read",)

MAX_ROWS = 10
MAX_SAMPLE_ROWS = 20


def _parameters(*required: str, **properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_TABLE = {"type": "string", "description": "Name of a table, as `list_kusto_tables` spells it."}
_LIMIT = {
    "type": "integer",
    "minimum": 1,
    "default": MAX_ROWS,
    "description": f"Rows to return; never more than {MAX_ROWS}.",
}

SPECS = (
    ToolSpec(
        name="list_kusto_tables",
        description="List the tables of the telemetry database, as Kusto v1 JSON.",
        parameters=_parameters(),
    ),
    ToolSpec(
        name="get_table_schema",
        description="Return a table's columns with their Kusto types, as Kusto v1 JSON.",
        parameters=_parameters("table_name", table_name=_TABLE),
    ),
    ToolSpec(
        name="sample_table_data",
        description="Return the first rows of a table, to see what its values look like, as Kusto "
        "v1 JSON. `Truncated` says how many rows the table has.",
        parameters=_parameters(
            "table_name",
            table_name=_TABLE,
            rows={
                "type": "integer",
                "minimum": 1,
                "default": 5,
                "description": f"Rows to return; never more than {MAX_SAMPLE_ROWS}.",
            },
        ),
    ),
    ToolSpec(
        name="execute_kql_query",
        description=f"Execute a KQL query and return at most {MAX_ROWS} rows as Kusto v1 JSON. "
        "When the result had more, the key `Truncated` says how many: narrow the query. now() is "
        "the time of the newest event. Datetimes are UTC.",
        parameters=_parameters(
            "query",
            query={"type": "string", "description": "One KQL query; no management commands."},
            limit=_LIMIT,
        ),
    ),
    ToolSpec(
        name="execute_sql_query",
        description=f"Execute a SQL query (DuckDB's dialect, one SELECT) over the same tables and "
        f"return at most {MAX_ROWS} rows as Kusto v1 JSON, with `Truncated` as for KQL. Dynamic "
        "columns are JSON: column->>'$.key'.",
        parameters=_parameters(
            "query",
            query={"type": "string", "description": "One SELECT; WITH is fine."},
            limit=_LIMIT,
        ),
    ),
    ToolSpec(
        name="grade_kql",
        description="Execute a KQL query without the row cap and say which rows it found.",
        parameters=_parameters("query", query={"type": "string"}),
    ),
    ToolSpec(
        name="grade_sigma",
        description="Parse, validate and execute a Sigma rule and say which rows it found.",
        parameters=_parameters("rule", rule={"type": "string"}),
    ),
)


def warm() -> None:
    """Let the parsers fill their caches, so that a fork's first queries cost what later ones do.

    For a warm tool server, once, after importing :data:`PRELOAD`; opens no database.
    """
    from fleetgym.toolserver.query_engine import warm_parsers  # noqa: PLC0415 - heavy

    warm_parsers()


def open_toolset(mounts: Mapping[str, Path], limits: Limits) -> Mapping[str, ToolFunction]:
    """Start the process that executes queries over ``mounts["data"]``, and return its tools.

    Raises:
        SandboxError: The mount holds no telemetry.
    """
    from fleetgym.toolserver.query_engine import QueryEngine  # noqa: PLC0415 - heavy
    from fleetgym.toolserver.query_process import QueryProcess  # noqa: PLC0415 - of no use to SPECS

    path = mounts["data"] / DATABASE
    if not path.is_file():
        raise SandboxError(f"The mount 'data' holds no {DATABASE}.")
    process = QueryProcess(
        lambda: QueryEngine(path, limits).answer,
        memory_bytes=limits.memory_bytes,
        call_seconds=limits.call_seconds,
    )
    tools = _Tools(process)
    return {spec.name: getattr(tools, spec.name) for spec in SPECS}


class _Tools:
    """The functions behind :data:`SPECS`, under the same names."""

    def __init__(self, process: QueryProcess) -> None:
        self._process = process

    def list_kusto_tables(self) -> str:
        return self._ask("list_kusto_tables")

    def get_table_schema(self, table_name: str) -> str:
        return self._ask("get_table_schema", table_name=_text("table_name", table_name))

    def sample_table_data(self, table_name: str, rows: int = 5) -> str:
        count = _count("rows", rows, MAX_SAMPLE_ROWS)
        name = _text("table_name", table_name)
        return self._ask("sample_table_data", table_name=name, rows=count)

    def execute_kql_query(self, query: str, limit: int = MAX_ROWS) -> str:
        count = _count("limit", limit, MAX_ROWS)
        return self._ask("execute_kql_query", query=_text("query", query), limit=count)

    def execute_sql_query(self, query: str, limit: int = MAX_ROWS) -> str:
        count = _count("limit", limit, MAX_ROWS)
        return self._ask("execute_sql_query", query=_text("query", query), limit=count)

    def grade_kql(self, query: str) -> str:
        from fleetgym.toolserver.grading import failed_kql  # noqa: PLC0415 - heavy

        try:
            return self._ask("grade_kql", query=query)
        except ToolError as error:  # too slow or too large: a result, not a wrong call
            return failed_kql(str(error))

    def grade_sigma(self, rule: str) -> str:
        from fleetgym.toolserver.grading import failed_sigma  # noqa: PLC0415 - heavy

        try:
            return self._ask("grade_sigma", rule=rule)
        except ToolError as error:
            return failed_sigma(str(error))

    def _ask(self, tool: str, **arguments: str | int) -> str:
        return self._process.call({"tool": tool, "arguments": arguments})


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ToolError(f"The argument {name!r} must be a non-empty string, not {value!r}.")
    return value


def _count(name: str, value: object, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ToolError(f"The argument {name!r} must be a whole number from 1 up, not {value!r}.")
    return min(value, most)
