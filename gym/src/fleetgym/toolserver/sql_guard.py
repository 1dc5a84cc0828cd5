"""Decides whether a statement may be executed: one query, over known tables, that only computes.

This is the outer of two walls. Behind it the database itself is locked (see ``duck.py``), so what
slips through here finds no files, no network and nothing to write; the guard keeps the catalog, the
settings and the wall clock out of reach as well, and turns a refusal into advice.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from fleetgym.contracts.errors import ToolError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlglot.expressions.core import Expr

__all__ = ["bare_statement", "check_sql"]

MAX_NODES = 20_000

_TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series", "json_each", "json_tree"})

# What reads files, settings, secrets, the catalog or the session, or executes text.
_DENIED_PREFIXES = (
    "__internal",
    "current_",
    "duckdb_",
    "has_",
    "inet_",
    "parquet_",
    "pg_",
    "pragma_",
    "read_",
    "sniff_",
    "sqlite_",
)
_DENIED = frozenset({
    "col_description", "currval", "get_block_size", "getenv", "getvariable", "glob",
    "hive_partition_component", "in_search_path", "index_key", "json_deserialize_sql",
    "json_execute_serialized_sql", "json_serialize_plan", "json_serialize_sql", "nextval",
    "obj_description", "parse_duckdb_log_message", "query", "query_table", "session_user", "setval",
    "shobj_description", "sleep_ms", "stats", "txid_current", "user", "vector_type", "version",
    "write_log",
})  # fmt: skip
_CLOCK = frozenset({
    "ago", "age", "current_date", "current_localtime", "current_localtimestamp", "current_time",
    "current_timestamp", "get_current_time", "get_current_timestamp", "localtime",
    "localtimestamp", "now", "today", "transaction_timestamp",
})  # fmt: skip
_CHANCE = frozenset({"gen_random_uuid", "rand", "randn", "random", "setseed"})

# DuckDB takes these for functions when they stand unquoted, whatever columns there are.
_BARE_WORDS = frozenset({
    "current_catalog", "current_database", "current_date", "current_localtime",
    "current_localtimestamp", "current_role", "current_schema", "current_time",
    "current_timestamp", "current_user", "localtime", "localtimestamp", "session_user", "user",
})  # fmt: skip

_FORBIDDEN_NODES = (
    exp.Command,
    exp.Create,
    exp.Delete,
    exp.Insert,
    exp.HistoricalData,
    exp.Into,
    exp.Lock,
    exp.Merge,
    exp.Show,
    exp.Summarize,
    exp.Update,
)

# A CTE may hide a table of the catalog by its name, and is visible only in its own scope, which
# this guard does not follow; so those names are not for CTEs.
_CTE_NAME = re.compile(
    r"(?!(?:duckdb_|pg_|pragma_|sqlite_|show$|describe$|desc$|summarize$))[A-Za-z_]\w*",
    re.IGNORECASE | re.ASCII,
)

# sqlglot logs what it cannot parse; the agent is told by the refusal.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)


def check_sql(
    sql: str,
    tables: Iterable[str],
    *,
    parameters: Iterable[str] = (),
    fold_case: bool = True,
) -> frozenset[str]:
    """Return the tables that ``sql`` reads, spelled as in ``tables``.

    Args:
        sql: DuckDB's dialect.
        tables: What may be read.
        parameters: Names that may stand behind a ``$``.
        fold_case: Whether a table's name may be spelled in any case, as in SQL.

    Raises:
        ToolError: It is not a single query, or reads or calls something it may not.
    """
    root = _parse(sql)
    nodes = list(root.walk())
    if len(nodes) > MAX_NODES:
        raise ToolError(f"The query has more than {MAX_NODES} parts. Split it into smaller ones.")
    known = {name.casefold() if fold_case else name: name for name in tables}
    ctes = _common_tables(nodes)
    allowed_parameters = set(parameters)
    read: set[str] = set()
    for node in nodes:
        if isinstance(node, _FORBIDDEN_NODES):
            raise ToolError(f"{node.key.upper()} is not possible here. Write one SELECT.")
        if isinstance(node, exp.Table):
            read |= _table(node, known, ctes, fold_case=fold_case)
        elif isinstance(node, exp.Func):
            _function(node)
        elif isinstance(node, exp.Column):
            _bare_word(node)
        elif isinstance(node, (exp.Placeholder, exp.Parameter)):
            if node.name not in allowed_parameters:
                raise ToolError("Parameters (`?`, `$name`) have no value here. Write the value.")
        elif isinstance(node, exp.TableSample):
            raise ToolError("Random samples are not possible here. Use ORDER BY … LIMIT.")
    return frozenset(read)


def bare_statement(sql: str) -> str:
    """Return a checked statement without the semicolons and comments behind it."""
    tokens = sqlglot.tokenize(sql, read="duckdb")
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    return sql[: tokens[-1].end + 1] if tokens else ""


def _parse(sql: str) -> exp.Query:
    try:
        statements = [
            s
            for s in sqlglot.parse(sql, dialect="duckdb")
            if s is not None and not isinstance(s, exp.Semicolon)
        ]
    except SqlglotError as error:
        detail = str(error).split("\n")[0].replace("\x1b[4m", "").replace("\x1b[0m", "")
        raise ToolError(f"The SQL does not parse: {detail[:300]}") from error
    except RecursionError as error:
        raise ToolError("The query is nested too deeply. Use WITH to name its parts.") from error
    if len(statements) != 1:
        raise ToolError(f"Exactly one statement can be executed, not {len(statements)}.")
    root = statements[0]
    if not isinstance(root, exp.Query):
        raise ToolError(
            f"Only a query (SELECT, WITH … SELECT, FROM …) can be executed, not "
            f"{root.key.upper()}. Other tools describe the tables."
        )
    return root


def _common_tables(nodes: Sequence[Expr]) -> frozenset[str]:
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, exp.With) and node.args.get("recursive"):
            raise ToolError(
                "Recursive queries are not possible here. Use joins on the parent's id."
            )
        if isinstance(node, exp.CTE):
            if not _CTE_NAME.fullmatch(node.alias):
                raise ToolError(f"{node.alias!r} cannot name a WITH query. Choose another name.")
            names.add(node.alias.casefold())
    return frozenset(names)


def _table(
    node: exp.Table, known: dict[str, str], ctes: frozenset[str], *, fold_case: bool
) -> set[str]:
    source = node.this
    if isinstance(source, exp.Func):
        name = _name(source)
        if name not in _TABLE_FUNCTIONS:
            raise ToolError(
                f"The table function {name!r} is not available. Those that are: "
                f"{', '.join(sorted(_TABLE_FUNCTIONS))}."
            )
        return set()
    name = node.name
    if node.args.get("db") or node.args.get("catalog"):
        raise ToolError(f"Name the table without a database or schema before it: {name!r}.")
    if name.casefold() in ctes:
        return set()
    key = name.casefold() if fold_case else name
    if key not in known:
        hint = did_you_mean(name, known.values()) or f"There are: {', '.join(known.values())}."
        raise ToolError(f"There is no table {name!r}. {hint}")
    return {known[key]}


def _function(node: exp.Func) -> None:
    name = _name(node)
    if name in _CLOCK:
        raise ToolError(
            f"{name}() depends on the wall clock, which has nothing to do with these data. "
            "Write the time, for example TIMESTAMP '2026-01-02 03:04:05', or compare with max() of "
            "the time column."
        )
    if name in _CHANCE or name.startswith("uuid"):
        raise ToolError(f"{name}() gives chance values, so the result could not be repeated.")
    if name in _DENIED or name.startswith(_DENIED_PREFIXES):
        raise ToolError(f"The function {name!r} is not available: it does not compute with rows.")


def _bare_word(node: exp.Column) -> None:
    identifier = node.this
    if (
        isinstance(identifier, exp.Identifier)
        and not identifier.args.get("quoted")
        and not node.table
        and node.name.casefold() in _BARE_WORDS
    ):
        raise ToolError(
            f'{node.name} is a function of the session in SQL. For the column write "{node.name}".'
        )


def _name(node: exp.Func) -> str:
    if isinstance(node, exp.Anonymous):
        return node.name.casefold()
    return node.sql_name().casefold()
