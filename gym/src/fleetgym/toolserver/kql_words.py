"""Rewrites of KQL's words, before it is translated.

Text in, text out: what stands in a string or a comment is never touched, and where a rewrite would
need to know more than the words say, it is left for the translator to refuse.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from fleetgym.toolserver.kql_operators import rewritten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["in_reach", "stages", "words"]

_OLD_NAMES = {
    "argmax": "arg_max",
    "argmin": "arg_min",
    "arraylength": "array_length",
    "base64_decodestring": "base64_decode_tostring",
    "base64_encodestring": "base64_encode_tostring",
    "columnifexists": "column_ifexists",
    "extractall": "extract_all",
    "makelist": "make_list",
    "makeset": "make_set",
    "notempty": "isnotempty",
    "todecimal": "todouble",
}
"""Names that Kusto still takes for a function, to the ones that the translator knows."""

_OLD_OPERATORS = {"mvexpand": "mv-expand", "mvapply": "mv-apply"}

_NAME_IN_QUOTES = re.compile(r"""^(["'])([A-Za-z_]\w*)\1$""")

_UNNAMED_EXPAND = re.compile(r"^(?P<operator>\|\s*mv-?expand\s+)(?P<path>(?:\w+\.)+\w+)(?=\s|$)")

_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*)
      | (?P<string>@"(?:[^"]|"")*" | @'(?:[^']|'')*' | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*'
          | ```.*?``` | ~~~.*?~~~)
      | (?P<word>[A-Za-z_][\w-]*)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


def in_reach(query: str, columns: Mapping[str, Mapping[str, str]]) -> str:
    """Return ``query`` in words that the translator knows, where that is a matter of words.

    ``project-reorder`` only orders columns, and a bare ``serialize`` only promises an order that
    rows here have anyway: both go. ``mv-expand A.b`` gets the name that Kusto gives it, ``A_b``.
    Old names of functions become the new ones. ``column_ifexists`` becomes the column, when a table
    that the query names has it or the query makes it, and otherwise the other value. Operators that
    mean what others do are left to :mod:`fleetgym.toolserver.kql_operators`.

    Args:
        query: KQL.
        columns: The tables that there are, and their columns.
    """
    kept: list[str] = []
    for stage in stages(_renamed(query)):
        parts = [m["word"] or m[0] for m in _tokens(stage) if not m[0].isspace()]
        if parts[:2] == ["|", "project-reorder"] or parts == ["|", "serialize"]:
            continue
        kept.append(_UNNAMED_EXPAND.sub(_named_expand, stage))
    tokens = [m[0] for m in _tokens(_without_ifexists("".join(kept), columns))]
    return "".join(rewritten(tokens, columns))


def stages(query: str) -> Iterator[str]:
    """Split ``query`` before every ``|``, ``;`` and closing bracket; joined they are the query."""
    start = 0
    for match in _TOKEN.finditer(query):
        if match["other"] and match[0] in "|;)":
            yield query[start : match.start()]
            start = match.start()
    yield query[start:]


def words(stage: str) -> list[str]:
    """Return the names and keywords of ``stage``, in order."""
    return [m["word"] for m in _tokens(stage) if m["word"]]


def _tokens(stage: str) -> Iterator[re.Match[str]]:
    return (match for match in _TOKEN.finditer(stage) if not match["comment"])


def _named_expand(match: re.Match[str]) -> str:
    return f"{match['operator']}{match['path'].replace('.', '_')} = {match['path']}"


def _renamed(query: str) -> str:
    tokens = [match[0] for match in _TOKEN.finditer(query)]
    for at, token in enumerate(tokens):
        if token in _OLD_NAMES and "".join(tokens[at + 1 :]).lstrip().startswith("("):
            tokens[at] = _OLD_NAMES[token]
        elif token in _OLD_OPERATORS and "".join(tokens[:at]).rstrip().endswith("|"):
            tokens[at] = _OLD_OPERATORS[token]
    return "".join(tokens)


def _without_ifexists(query: str, columns: Mapping[str, Mapping[str, str]]) -> str:
    tokens = [m[0] for m in _TOKEN.finditer(query) if not m["comment"]]
    if "column_ifexists" not in tokens:
        return query
    there = {name for table in columns.keys() & set(tokens) for name in columns[table]}
    solid = [token for token in tokens if not token.isspace()]
    there |= {a for a, b in pairwise(solid) if b == "="}
    # From behind, so that one inside another's default is gone before the other is looked at.
    for at in range(len(tokens) - 1, -1, -1):
        if tokens[at] == "column_ifexists":
            _replace_ifexists(tokens, at, there)
    return "".join(tokens)


def _replace_ifexists(tokens: list[str], at: int, there: set[str]) -> None:
    depth, comma = 0, None
    for end in range(at + 1, len(tokens)):
        text = tokens[end]
        if text == "," and depth == 1 and comma is None:
            comma = end
        depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
        if depth == 0 and not text.isspace():
            break
    else:
        return
    if comma is None:
        return
    name = _NAME_IN_QUOTES.match("".join(tokens[at + 2 : comma]).strip())
    if name is None:
        return
    other = "".join(tokens[comma + 1 : end]).strip()
    tokens[at : end + 1] = [name[2] if name[2] in there else f"({other})"]
