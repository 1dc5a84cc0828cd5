"""How CTI-REALM reads an answer, a query's response and a technique out of text."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, cast

__all__ = ["parse_answer", "parse_rows", "technique_ids"]

# The look-behind changes no match; without it a long run of blanks takes quadratic time.
_FENCES = re.compile(r"^```json\s*|(?<!\s)\s*```$", re.MULTILINE)
_TECHNIQUE = re.compile(r"T\d{4}(?:\.\d{3})?", re.IGNORECASE)

_DOUBLE = r'"((?:[^"\\]|\\.)*)"'
_SINGLE = r"'((?:[^'\\]|\\.)*)'"
_ARRAY_END = re.compile(r"\](?=\s*[,}]|\s*$)")


def parse_answer(text: str) -> dict[str, Any]:
    """Return what can be found of the three fields; an empty dictionary if nothing can.

    A JSON object is taken as it is, whatever its keys; other JSON gives nothing. Text that is no
    JSON is searched for each field by itself.
    """
    try:
        parsed = json.loads(_FENCES.sub("", text.strip()))
    except (ValueError, RecursionError):
        return _search(text)
    return cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}


def _search(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in ("sigma_rule", "kql_query"):
        patterns = (rf'"{field}"\s*:\s*{_DOUBLE}', rf"'{field}'\s*:\s*{_SINGLE}")
        for pattern in (*patterns, rf'"{field}"\s*:\s*{_SINGLE}'):
            if match := re.search(pattern, text, re.DOTALL):
                found[field] = _unescaped(match[1])
                break
    for quote in "\"'":
        # What ends an array after a later key also ends it after the first one.
        start = re.search(rf"{quote}query_results{quote}\s*:\s*(?=\[)", text)
        end = _ARRAY_END.search(text, start.end()) if start else None
        if start and end:
            try:
                found["query_results"] = json.loads(text[start.end() : end.end()])
                break
            except (ValueError, RecursionError):
                continue
    return found


def _unescaped(text: str) -> str:
    for escape, character in (("\\n", "\n"), ("\\t", "\t"), ('\\"', '"'), ("\\'", "'")):
        text = text.replace(escape, character)
    return text


@lru_cache(maxsize=128)
def parse_rows(response: str) -> tuple[Any, ...]:
    """Return the rows of a Kusto v1 response by column name, or of a bare JSON list as they are."""
    try:
        data = json.loads(response)
        if isinstance(data, list):
            return tuple(cast("list[Any]", data))
        table = data["Tables"][0]
        columns = [column["ColumnName"] for column in table.get("Columns", [])]
        return tuple(dict(zip(columns, row, strict=False)) for row in table["Rows"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ()


def technique_ids(text: str) -> frozenset[str]:
    """Return every ATT&CK id in a text, upper case, wherever it stands."""
    return frozenset(found.upper() for found in _TECHNIQUE.findall(text))
