"""What the expert has to do again and again: asking tools, and writing conditions of KQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from fleetgym.contracts.tools import ToolCall

if TYPE_CHECKING:
    from fleetgym.contracts.policy import Moves

__all__ = [
    "Row",
    "ask",
    "batches",
    "kql",
    "kql_list",
    "kql_text",
    "listed",
    "moment",
    "within",
]

_T = TypeVar("_T")
Row: TypeAlias = Mapping[str, Any]
"""A row as the query tool returned it."""


def ask(tool: str, **arguments: Any) -> Moves[Any]:
    """Call a tool and return its JSON; None if it was refused."""
    result = yield ToolCall(tool, arguments)
    return None if result.is_error else json.loads(result.content)


def batches(items: Sequence[_T], size: int = 5) -> list[Sequence[_T]]:
    """Return ``items`` in parts of at most ``size``; five is what the desk answers at once."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def kql(query: str) -> Moves[list[Row]]:
    """Run a query and return its rows, at most ten."""
    answer = yield from ask("execute_kql_query", query=query)
    if answer is None:
        return []
    table = answer["Tables"][0]
    names = [column["ColumnName"] for column in table["Columns"]]
    return [dict(zip(names, values, strict=True)) for values in table["Rows"]]


def kql_text(value: str) -> str:
    """Return ``value`` as a string literal of KQL."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def kql_list(values: Iterable[str]) -> str:
    """Return ``values`` as a list for KQL's ``in``."""
    return f"({', '.join(map(kql_text, sorted(set(values))))})"


def listed(value: Any) -> Sequence[str]:
    """Return a dynamic array of strings, as an array or as its JSON."""
    array: Any = json.loads(value) if isinstance(value, str) else value
    return [str(item) for item in array]


def moment(text: str) -> datetime:
    """Return a time, without its zone; digits below a microsecond are dropped."""
    whole, _, rest = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{rest[:6]:0<6}")


def within(column: str, first: str, last: str) -> str:
    """Return the condition that ``column`` lies between two times, a second more on both sides."""
    begin, end = moment(first) - timedelta(seconds=1), moment(last) + timedelta(seconds=1)
    return f"{column} between (datetime({begin.isoformat()}Z) .. datetime({end.isoformat()}Z))"
