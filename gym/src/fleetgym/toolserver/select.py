"""Executing a query that an agent wrote in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym.contracts.errors import ToolError
from fleetgym.toolserver.sql_guard import bare_statement, check_sql

if TYPE_CHECKING:
    from fleetgym.toolserver.duck import Database, Rows

__all__ = ["MAX_SQL", "read_select"]

MAX_SQL = 20_000
"""Characters of a query."""


def read_select(database: Database, query: str, *, limit: int) -> Rows:
    """Check and execute a query, and return its first rows.

    Raises:
        ToolError: It is not one query over the database's tables, or it fails.
    """
    if len(query) > MAX_SQL:
        raise ToolError(f"The query is longer than {MAX_SQL} characters. Shorten it.")
    check_sql(query, database.columns)
    if not database.is_select(query):  # a second opinion
        raise ToolError("Exactly one SELECT can be executed.")
    return database.read(bare_statement(query), {}, limit=limit)
