"""KQL as guarded SQL of DuckDB's.

duckdb-kql translates, and refuses what it cannot translate rightly; what it emits passes the same
guard as the agent's own SQL. Translating is as dangerous as executing (a few nested ``let`` make
gigabytes of SQL), so it happens in the executor too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb_kql
from duckdb_kql.errors import KqlError, KqlSchemaError, KqlSyntaxError, KqlUnsupportedError

from fleetgym.contracts.errors import ToolError, did_you_mean
from fleetgym.toolserver.kql_words import in_reach, stages, words
from fleetgym.toolserver.sql_guard import check_sql

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["Translation", "translate"]

MAX_KQL = 20_000
MAX_SQL = 400_000

_ADVICE = {
    "AsOperator": "Name the query with `let` instead of `as`.",
    "EvaluateOperator": "Instead of a plug-in, read single keys: `extend x = tostring(Bag.key)`.",
    "ExternalDataExpression": "Nothing outside the tables can be read.",
    "FindOperator": "Use `union` of the tables, then `where Column has 'text'`.",
    "MakeSeriesOperator": "Use `summarize … by bin(Time, 1h)`.",
    "MvapplyOperator": "Name the item (`mv-apply x = Column on …`) and use where, extend and "
    "project only; or use `mv-expand x = Column`, then `where` and `summarize`.",
    "PartitionOperator": "Use `summarize arg_max(Time, *) by Column`.",
    "ScanOperator": "Use `join` on the host and `where` on the times.",
    "SearchOperator": "Use `union` of the tables, then `where Column has 'text'`.",
    "SerializeOperator": "Use `order by` and `top`.",
    "StringStarOperatorExpression": "Name the column instead of `*`.",
    "TopHittersOperator": "Use `summarize n = count() by Column | top N by n`.",
    "TopNestedOperatorPart": "Use `summarize … by A, B | top N by …`.",
    "column_ifexists": "Its first argument is a column's name as text, its second the value else.",
    "ingestion_time": "Use the table's time column.",
    "distinct *": "Name the columns instead of `*`.",
    "multi-statement": "Send one query; `let` statements may stand before it.",
    "next": "Use `join` of the table with itself, or SQL's lead().",
    "prev": "Use `join` of the table with itself, or SQL's lag().",
    "parse_xml": "Use `extract` with a regular expression.",
    "project-away": "Name each column instead of a pattern with `*`.",
    "row_number": "Use `top N by …`, or SQL's row_number().",
    "split": "Take the part by its index behind the call: `split(text, '/')[1]`.",
    "workspace": "Name the table alone.",
}
_DEFAULT_ADVICE = (
    "Rewrite it with where, extend, project, summarize, join, union, mv-expand, parse or top, "
    "or use `execute_sql_query`."
)

_OPERATORS = frozenset({
    "as", "consume", "count", "distinct", "evaluate", "extend", "facet", "filter", "find", "fork",
    "getschema", "invoke", "join", "limit", "lookup", "make-series", "mv-apply", "mv-expand",
    "order", "parse", "parse-kv", "parse-where", "partition", "project", "project-away",
    "project-keep", "project-rename", "project-reorder", "range", "reduce", "render", "sample",
    "sample-distinct", "scan", "search", "serialize", "sort", "summarize", "take", "top",
    "top-hitters", "top-nested", "union", "where",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """What to execute."""

    sql: str
    parameters: Mapping[str, Any]
    tables: frozenset[str]


def translate(
    query: str, columns: Mapping[str, Mapping[str, str]], now: datetime | None
) -> Translation:
    """Return guarded SQL for ``query``.

    Args:
        query: One KQL query, with ``let`` statements if it likes.
        columns: The tables that there are, and their columns.
        now: What ``now()`` and ``ago()`` count from.

    Raises:
        ToolError: It is no KQL, or uses what is unsupported or unknown here.
    """
    if len(query) > MAX_KQL:
        raise ToolError(f"The query is longer than {MAX_KQL} characters. Shorten it.")
    if query.lstrip().startswith("."):
        raise ToolError(
            "Management commands are not available. `list_kusto_tables` and `get_table_schema` "
            "show what there is."
        )
    schema = {table: list(names) for table, names in columns.items()}
    try:
        result = duckdb_kql.to_sql(
            in_reach(query, columns), schema=schema, allow_write=False, query_now=now
        )
    except KqlError as error:
        raise ToolError(_explain(error, query)) from error
    except MemoryError:
        raise
    except Exception as error:  # a defect of a young translator is a refusal too
        raise ToolError(f"This KQL cannot be translated. {_DEFAULT_ADVICE}") from error
    sql = str(result)
    if len(sql) > MAX_SQL:
        raise ToolError("The query grows too large when its `let` statements are expanded.")
    tables = check_sql(sql, columns, parameters=result.parameters, fold_case=False)
    return Translation(sql=sql, parameters=dict(result.parameters), tables=tables)


def _explain(error: KqlError, query: str) -> str:
    if isinstance(error, KqlUnsupportedError):
        construct = error.construct.rpartition(":")[2]
        where = f" (line {error.span.line}, column {error.span.column})" if error.span else ""
        own = error.hint if error.hint and "this wave" not in error.hint else None
        advice = _ADVICE.get(construct) or own or _DEFAULT_ADVICE
        return f"{construct!r}{where} is not supported by this KQL engine. {advice}"
    if isinstance(error, KqlSyntaxError):
        reason = str(error).split(" expecting ")[0][:300]
        return f"The KQL does not parse: {reason}. {_misspelled_operator(query)}".rstrip()
    if isinstance(error, KqlSchemaError):
        if error.name.startswith("cluster"):
            return "There are no other clusters or databases. Name the table alone."
        return f"Unknown or ambiguous name {error.name!r}: {(error.hint or '')[:300]}"
    return f"This KQL cannot be translated: {str(error)[:300]}"


def _misspelled_operator(query: str) -> str:
    for stage in stages(query):
        named = words(stage)
        if stage.startswith("|") and named and named[0] not in _OPERATORS:
            hint = did_you_mean(named[0], sorted(_OPERATORS))
            return f"There is no operator {named[0]!r}. {hint}"
    return ""
