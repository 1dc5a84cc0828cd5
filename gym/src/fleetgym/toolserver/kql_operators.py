"""Rewrites of KQL's operators and calls into ones that the translator knows, which mean the same.

They work on tokens, as :mod:`fleetgym.toolserver.kql_words` makes them. What is not understood to
the last word stays as it is, for the translator to refuse.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["rewritten"]

Tokens = list[str]

_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")
_KEEP_A_NAME = frozenset({"parse_json", "todynamic"})
_TIMES = ("Timestamp", "TimeGenerated")
_SAMPLED = re.compile(r"\s*(?P<number>\w+)\s+of\s+(?P<column>\w+)\s*")


def rewritten(tokens: Sequence[str], columns: Mapping[str, Mapping[str, str]]) -> Tokens:
    """Return ``tokens`` with others for some operators and calls.

    * ``mv-apply x = E on (where … | project …)`` expands, filters and extends: with no aggregate
      and no order in it, elements of different rows never meet.
    * ``mv-expand parse_json(A)`` gets the name that Kusto gives it, ``A``.
    * ``project-away`` and ``project-keep`` name the columns that their patterns fit.
    * ``sample`` and ``sample-distinct`` take the first rows, which are a sample as any other.
    * ``split(t, d, i)`` is an array of one part.
    * ``ingestion_time()`` is the time of the event: telemetry here arrives at once.

    Args:
        tokens: A query without comments.
        columns: The tables that there are, and their columns.
    """
    query = [*tokens]
    names = _names(query, columns)
    at = 0
    while at < len(query):
        for rewrite in (_mv_apply, _mv_expand, _sample, _split, _ingestion_time):
            rewrite(query, at, names)
        if query[at] in ("project-away", "project-keep") and _follows_bar(query, at):
            _name_columns(query, at, names)
        at += 1
    return query


def _names(query: Tokens, columns: Mapping[str, Mapping[str, str]]) -> dict[str, None]:
    """Return columns of the tables that the query names, and what it assigns."""
    found = {name: None for table in columns.keys() & set(query) for name in columns[table]}
    solid = [token for token in query if not token.isspace()]
    assigned = (a for a, b in pairwise(solid) if b == "=")
    return {**found, **dict.fromkeys(name for name in assigned if name.isidentifier())}


def _mv_apply(query: Tokens, at: int, names: Mapping[str, None]) -> None:
    del names
    if query[at] != "mv-apply" or not _follows_bar(query, at):
        return
    end = _end_of_stage(query, at)
    on = next((i for i in _flat(query, at + 1, end) if query[i] == "on"), None)
    if on is None:
        return
    item, equals, _ = [*_solid(query[at + 1 : on]), "", "", ""][:3]
    opened = _next_solid(query, on)
    if equals != "=" or opened is None or query[opened] != "(":
        return
    closed = _closing(query, opened)
    if closed is None or _solid(query[closed + 1 : end]):
        return
    inner = _applied(query[opened + 1 : closed], item)
    if inner is not None:
        query[at:end] = ["mv-expand", *query[at + 1 : on], *inner]


def _applied(body: Tokens, item: str) -> Tokens | None:
    """Return what stands in for the pipeline of an ``mv-apply``; None when nothing can."""
    stages = _split_at(body, "|")
    out: Tokens = []
    for number, stage in enumerate(stages):
        first, *rest = [*_solid(stage), "", ""]
        if first in ("where", "extend"):
            out += ["\n", "| ", *stage]
        elif first == "project" and number == len(stages) - 1 and rest:
            out += _projected(stage[stage.index("project") + 1 :], item)
        else:
            return None
    return out


def _projected(columns: Tokens, item: str) -> Tokens:
    """Return stages that add the columns and take the element away, unless it is one of them."""
    added: list[str] = []
    kept = False
    for column in _split_at(columns, ","):
        text = "".join(column).strip()
        kept |= text == item
        if "=" in column:
            added.append(text)
        elif text != item and not text.isidentifier():
            added.append(f"{text.replace('.', '_')} = {text}")
    extended = ["\n", "| ", "extend ", ", ".join(added)] if added else []
    return [*extended, *([] if kept else ["\n", "| ", "project-away", " ", item]), " "]


def _mv_expand(query: Tokens, at: int, names: Mapping[str, None]) -> None:
    del names
    if query[at] != "mv-expand" or not _follows_bar(query, at):
        return
    called = _next_solid(query, at)
    if called is None or query[called] not in _KEEP_A_NAME:
        return
    solid = _solid(query[called + 1 : _end_of_stage(query, at)])
    if len(solid) >= 3 and solid[0] == "(" and solid[1].isidentifier() and solid[2] == ")":
        query[called:called] = [solid[1], " = "]


def _name_columns(query: Tokens, at: int, names: Iterable[str]) -> None:
    end = _end_of_stage(query, at)
    patterns = ["".join(part).strip() for part in _split_at(query[at + 1 : end], ",")]
    keeps = query[at] == "project-keep"
    if not keeps and not any("*" in pattern for pattern in patterns):
        return
    chosen = [n for n in names if any(fnmatchcase(n, pattern) for pattern in patterns)]
    if chosen:
        operator = "project" if keeps else "project-away"
        query[at:end] = [operator, " ", ", ".join(chosen), " "]


def _sample(query: Tokens, at: int, names: Mapping[str, None]) -> None:
    del names
    if not _follows_bar(query, at):
        return
    if query[at] == "sample":
        query[at] = "take"
    elif query[at] == "sample-distinct":
        end = _end_of_stage(query, at)
        said = _SAMPLED.fullmatch("".join(query[at + 1 : end]))
        if said is not None:
            query[at:end] = [f"distinct {said['column']}\n", "|", f" take {said['number']} "]


def _split(query: Tokens, at: int, names: Mapping[str, None]) -> None:
    del names
    if query[at] != "split":
        return
    opened = _next_solid(query, at)
    closed = _closing(query, opened) if opened is not None and query[opened] == "(" else None
    if opened is None or closed is None:
        return
    arguments = _split_at(query[opened + 1 : closed], ",")
    if len(arguments) == 3:
        text, delimiter, index = ("".join(part).strip() for part in arguments)
        query[at : closed + 1] = ["pack_array(", f"split({text}, {delimiter})[{index}]", ")"]


def _ingestion_time(query: Tokens, at: int, names: Mapping[str, None]) -> None:
    if query[at] != "ingestion_time":
        return
    opened = _next_solid(query, at)
    closed = _closing(query, opened) if opened is not None and query[opened] == "(" else None
    time = next((name for name in _TIMES if name in names), None)
    if closed is not None and time is not None:
        query[at : closed + 1] = [time]


def _follows_bar(query: Tokens, at: int) -> bool:
    before = next((t for t in reversed(query[:at]) if not t.isspace()), "")
    return before.strip() == "|"


def _end_of_stage(query: Tokens, at: int) -> int:
    """Return where the next ``|`` or ``;`` of the same depth stands, or what closes it."""
    return next(
        (i for i in _flat(query, at, len(query)) if query[i] in ("|", ";") or query[i] in _CLOSE),
        len(query),
    )


def _flat(query: Tokens, start: int, end: int) -> Iterable[int]:
    """Yield the places outside of brackets; the last is the bracket that closes all, if any."""
    depth = 0
    for at in range(start, end):
        if query[at] in _OPEN:
            depth += 1
        elif query[at] in _CLOSE:
            depth -= 1
            if depth < 0:
                yield at
                return
        elif depth == 0:
            yield at


def _closing(query: Tokens, opened: int) -> int | None:
    depth = 0
    for at in range(opened, len(query)):
        depth += (query[at] in _OPEN) - (query[at] in _CLOSE)
        if depth == 0:
            return at
    return None


def _split_at(tokens: Tokens, mark: str) -> list[Tokens]:
    """Split at each ``mark`` outside of brackets."""
    marks = [i for i in _flat(tokens, 0, len(tokens)) if tokens[i] == mark]
    edges = [-1, *marks, len(tokens)]
    return [tokens[a + 1 : b] for a, b in pairwise(edges)]


def _next_solid(query: Tokens, at: int) -> int | None:
    return next((i for i in range(at + 1, len(query)) if not query[i].isspace()), None)


def _solid(tokens: Sequence[str]) -> list[str]:
    return [token for token in tokens if not token.isspace()]
