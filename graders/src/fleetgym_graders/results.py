"""What tool results say, read back from the text that an agent was shown."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from fleetgym.contracts.json import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleetgym.contracts.json import Json

__all__ = ["canonical_value", "kusto_rows", "report_ids", "rows_reproduced"]

# Every step grades the whole trajectory again; a result is parsed once.
_CACHED_RESULTS = 128

_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?")
_EXACT = Context(prec=100)
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")

Row: TypeAlias = tuple[tuple[str, str], ...]


@lru_cache(maxsize=_CACHED_RESULTS)
def kusto_rows(content: str) -> int:
    """Return the number of rows in a Kusto v1 response; 0 if it is none."""
    try:
        rows = json.loads(content)["Tables"][0]["Rows"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return 0
    return len(cast("list[Any]", rows)) if isinstance(rows, list) else 0


@lru_cache(maxsize=_CACHED_RESULTS)
def report_ids(content: str) -> frozenset[str]:
    """Return the ids of the reports that stand whole in a JSON array of reports.

    A result that was cut keeps those that came before the cut.
    """
    decoder = json.JSONDecoder()
    found: set[str] = set()
    position = content.find("[") + 1
    while position and (start := content.find("{", position)) >= 0:
        try:
            report, position = decoder.raw_decode(content, start)
        except (ValueError, RecursionError):
            break
        found.add(str(report.get("id", "")))
    return frozenset(found - {""})


def canonical_value(value: Any) -> str:
    """Return the text that two values share if they differ in formatting alone.

    Null and blank text are equal, and so are a number and its text, a truth value and its text, a
    point in time in two ISO 8601 spellings (no zone is UTC), and a JSON object and its text. Letter
    case counts.
    """
    if value is None:
        return ""
    if isinstance(value, Mapping | list):
        return _canonical_tree(cast("Json", value))
    text = str(value).strip()
    if text in ("True", "False"):
        return text.lower()
    if text[:1] in ("{", "["):
        try:
            return _canonical_tree(json.loads(text))
        except (ValueError, RecursionError):
            return text
    return _canonical_number(text) or _canonical_datetime(text) or text


def _canonical_tree(value: Json) -> str:
    try:
        return canonical_json(value)
    except (ValueError, RecursionError):
        return "not JSON"


def _canonical_number(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        return ""
    number = Decimal(text).normalize(_EXACT)
    return str(number) if number else "0"


def _canonical_datetime(text: str) -> str:
    if not _DATETIME.match(text):
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return zoned.astimezone(UTC).isoformat()


def rows_reproduced(
    submitted: Iterable[object], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> int:
    """Return how many submitted rows are rows of a query's result.

    A submitted row counts if it is an object, every key is a column of the result (case
    ignored), some value is not empty, and a row of the result has the same values in all columns
    that any submitted row names; a column that a row leaves out is taken as empty. Each row of the
    result is used once. The order of rows is irrelevant.

    Args:
        submitted: The rows as the agent gave them; anything at all.
        columns: Names of the result's columns.
        rows: The result's rows, values in the order of ``columns``.
    """
    names = [column.casefold() for column in columns]
    given = [_named(row, frozenset(names)) for row in submitted]
    used = frozenset(name for row in given for name in row)
    claimed = Counter(_key(row) for row in given if any(row.values()))
    truth = Counter(
        _key(
            {
                name: canonical_value(value)
                for name, value in zip(names, row, strict=False)
                if name in used
            }
        )
        for row in rows
    )
    return (claimed & truth).total()


def _named(row: object, known: frozenset[str]) -> dict[str, str]:
    """Return a row by folded column name; an empty one if it cannot be a row of the result."""
    if not isinstance(row, Mapping):
        return {}
    values = cast("Mapping[Any, Any]", row)
    named = {str(key).casefold(): canonical_value(value) for key, value in values.items()}
    return named if named.keys() <= known else {}


def _key(row: Mapping[str, str]) -> Row:
    return tuple(sorted((name, value) for name, value in row.items() if value))
