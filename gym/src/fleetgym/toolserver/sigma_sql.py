"""A Sigma condition as SQL over one table.

Written for what Sigma promises: strings match without regard to case, ``_`` and ``%`` mean
themselves, a missing field fails its test and passes the negation of it, and a field that
holds a list (or lies inside one) matches when any element does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from fleetgym.contracts.errors import ToolError, did_you_mean
from fleetgym.toolserver.duck import quoted

__all__ = ["UnknownField", "condition_sql"]

_Test: TypeAlias = Callable[[str], str]
"""SQL that is true or null of one text, given as SQL."""

_OPERATORS = {
    CompareOperators.LT: "<",
    CompareOperators.LTE: "<=",
    CompareOperators.GT: ">",
    CompareOperators.GTE: ">=",
    CompareOperators.NEQ: "<>",
}


class UnknownField(ToolError):
    """A rule names a field that the table does not have."""


@dataclass(frozen=True, slots=True)
class _Field:
    """A field's value: SQL for one text, or for a list of texts."""

    sql: str
    is_list: bool

    def any(self, test: _Test, name: str = "_v") -> str:
        """Return SQL, never null, that is true when some value passes ``test``."""
        if not self.is_list:
            return f"coalesce({test(self.sql)}, false)"
        return f"(len(list_filter({self.sql}, lambda {name}: coalesce({test(name)}, false))) > 0)"


def condition_sql(
    condition: object, columns: Mapping[str, str], aliases: Mapping[str, tuple[str, ...]]
) -> str:
    """Return SQL for a parsed condition.

    Args:
        condition: What pySigma parsed it to.
        columns: Types of the table's columns.
        aliases: See :class:`fleetgym.toolserver.sigma_fields.Source`.

    Raises:
        UnknownField: The table lacks a field.
        ToolError: A modifier or value cannot be executed.
    """
    return _Converter(columns, aliases).condition(condition)


class _Converter:
    def __init__(self, columns: Mapping[str, str], aliases: Mapping[str, tuple[str, ...]]) -> None:
        self._columns = columns
        self._aliases = aliases

    def condition(self, node: object) -> str:
        match node:
            case ConditionAND():
                return "(" + " AND ".join(self.condition(arg) for arg in node.args) + ")"
            case ConditionOR():
                return "(" + " OR ".join(self.condition(arg) for arg in node.args) + ")"
            case ConditionNOT():
                return f"(NOT {self.condition(node.args[0])})"
            case ConditionFieldEqualsValueExpression():
                return self._value(self._field(node.field), node.value)
            case ConditionValueExpression():
                return self._keyword(node.value)
            case _:
                raise ToolError(f"The condition has a part that cannot be executed: {node!r}.")

    def _value(self, field: _Field, value: SigmaType) -> str:
        match value:
            case SigmaNull():
                return f"(NOT {field.any(_not_empty)})"
            case SigmaExists():
                found = field.any(_not_empty)
                return found if value.exists else f"(NOT {found})"
            case SigmaString() if value == "":
                return f"(NOT {field.any(_not_empty)})"
            case SigmaExpansion():
                return "(" + " OR ".join(self._value(field, v) for v in value.values) + ")"
            case SigmaFieldReference():
                return self._reference(field, value)
            case _:
                return field.any(_test(value))

    def _reference(self, field: _Field, value: SigmaFieldReference) -> str:
        other = self._field(value.field)

        def test(text: str) -> str:
            def same(second: str) -> str:
                if value.starts_with:
                    return f"starts_with(lower({text}), lower({second}))"
                if value.ends_with:
                    return f"suffix(lower({text}), lower({second}))"
                return f"lower({text}) = lower({second})"

            return other.any(same, "_w")

        return field.any(test)

    def _keyword(self, value: SigmaType) -> str:
        texts = [_text(name) for name, kind in self._columns.items() if kind in {"VARCHAR", "JSON"}]
        everywhere = _Field(f"[{', '.join(texts)}]", is_list=True)
        if isinstance(value, SigmaString):
            value = SpecialChars.WILDCARD_MULTI + value + SpecialChars.WILDCARD_MULTI
        return everywhere.any(_test(value))

    def _field(self, name: str) -> _Field:
        paths = self._paths(name)
        fields = [f for path in dict.fromkeys(paths) if (f := self._path(path)) is not None]
        if not fields:
            known = [*self._columns, *self._aliases]
            hint = did_you_mean(name, known) or f"Columns: {', '.join(self._columns)}."
            raise UnknownField(f"There is no field {name!r} in this log source. {hint}")
        if len(fields) == 1:
            return fields[0]
        return _Field(f"list_concat({', '.join(map(_as_list, fields))})", is_list=True)

    def _paths(self, name: str) -> Sequence[str]:
        """Return the columns or paths that a field may stand for; a column's own name wins."""
        if name in self._columns:
            return (name,)
        bare = re.sub(r"^properties\.", "", name, flags=re.IGNORECASE)
        for spelled in (name, bare):
            for alias in sorted(self._aliases, key=len, reverse=True):
                head, rest = spelled[: len(alias)], spelled[len(alias) :]
                if head.lower() == alias and rest[:1] in {"", "."}:
                    return [target + rest for target in self._aliases[alias]]
        return (name, bare)

    def _path(self, path: str) -> _Field | None:
        head, _, rest = path.partition(".")
        column = self._column(head)
        if column is None:
            return None
        if rest or self._columns[column] == "JSON":
            return _Field(_json_values(column, rest), is_list=True)
        return _Field(_text(column), is_list=False)

    def _column(self, name: str) -> str | None:
        if name in self._columns:
            return name
        return next((c for c in self._columns if c.lower() == name.lower()), None)


def _test(value: SigmaType) -> _Test:
    """Return the test for a value that is compared with each text alone."""
    match value:
        case SigmaString():
            return _string(value, cased=isinstance(value, SigmaCasedString))
        case SigmaBool():
            wanted = "true" if value.boolean else "false"
            return lambda text: f"lower({text}) = '{wanted}'"
        case SigmaNumber() | SigmaCompareExpression():
            return _number(value)
        case SigmaRegularExpression():
            flags = "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))
            pattern = (f"(?{flags})" if flags else "") + value.escape(escape_escape_char=False)
            return lambda text: f"regexp_matches({text}, {_literal(pattern)})"
        case SigmaCIDRExpression():
            tests = [_string(SigmaString(pattern), cased=False) for pattern in value.expand()]
            return lambda text: "(" + " OR ".join(test(text) for test in tests) + ")"
        case _:
            raise ToolError(f"A value of the kind {type(value).__name__} cannot be executed.")


def _number(value: SigmaNumber | SigmaCompareExpression) -> _Test:
    compared = isinstance(value, SigmaCompareExpression)
    operator = _OPERATORS[value.op] if compared else "="
    number = value.number if compared else value
    if isinstance(number, SigmaTimestampPart):
        part = number.timestamp_part.name
        return lambda text: (
            f"date_part('{part}', TRY_CAST({text} AS TIMESTAMP)) {operator} {number.number}"
        )
    return lambda text: f"TRY_CAST({text} AS DOUBLE) {operator} {number.number}"


def _string(value: SigmaString, *, cased: bool) -> _Test:
    parts: list[str] = []
    wild = False
    for part in value.s:
        if part is SpecialChars.WILDCARD_MULTI:
            parts.append("%")
            wild = True
        elif part is SpecialChars.WILDCARD_SINGLE:
            parts.append("_")
            wild = True
        elif isinstance(part, str):
            parts.append(re.sub(r"([\\%_])", r"\\\1", part))
        else:
            raise ToolError("The placeholder in a value (`expand`) has nothing to stand for here.")
    pattern = _literal("".join(parts))
    if wild:
        like = "LIKE" if cased else "ILIKE"
        return lambda text: f"{text} {like} {pattern} ESCAPE '\\'"
    plain = _literal("".join(part for part in value.s if isinstance(part, str)))
    if cased:
        return lambda text: f"{text} = {plain}"
    return lambda text: f"lower({text}) = lower({plain})"


def _not_empty(text: str) -> str:
    return f"{text} <> ''"


def _as_list(field: _Field) -> str:
    return field.sql if field.is_list else f"[{field.sql}]"


def _text(column: str) -> str:
    return f"CAST({quoted(column)} AS VARCHAR)"


def _json_values(column: str, path: str) -> str:
    """Return SQL for the list of texts at ``path``, arrays on the way taken element by element.

    Keys may hold dots (``annotations.authorization.k8s.io/decision``), so the rest of the path is
    tried as a single key as well.
    """
    root = f"[TRY_CAST({quoted(column)} AS JSON)]"
    steps = [re.sub(r"(\[\*?\]|\{\})$", "", step) for step in path.split(".")] if path else []
    found = root
    for step in steps:
        found = _step(found, step)
    texts = _texts(found)
    if len(steps) > 1:
        texts = f"list_concat({texts}, {_texts(_step(root, path))})"
    return texts


def _step(values: str, key: str) -> str:
    if not key or re.search(r'["\\\x00-\x1f]', key):
        raise UnknownField(f"{key!r} is not a key in a dynamic column.")
    path = _literal('$."' + key + '"')
    member = f"json_extract(_x, {path})"
    if key.isdecimal():
        # An index counts in the array itself, so it comes before the elements are taken apart.
        indexed = f"coalesce(json_extract(_x, '$[{key}]'), {member})"
        return f"list_transform({values}, lambda _x: {indexed})"
    return f"list_transform({_elements(values)}, lambda _x: {member})"


def _elements(values: str) -> str:
    return (
        f"flatten(list_transform({values}, lambda _x: "
        "CASE json_type(_x) WHEN 'ARRAY' THEN CAST(_x AS JSON[]) ELSE [_x] END))"
    )


def _texts(values: str) -> str:
    return f"list_transform({_elements(values)}, lambda _x: _x ->> '$')"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
