"""Functions of KQL that detection queries use and duckdb-kql lacks: rows for its registry.

A flat table. Dynamic values are DuckDB's JSON, so lists go through ``JSON[]`` and back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from duckdb_kql.translate.functions import (
    AGGREGATE_FUNCTIONS,
    SCALAR_FUNCTIONS,
    AggregateSpec,
    FunctionSpec,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["add_functions"]

_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_IPV4 = rf"^\s*{_OCTET}(?:\.{_OCTET}){{{{3}}}}\s*$"
_PRIVATE = r"^\s*(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.)"


def _address(text: str) -> str:
    """Return SQL for the number of a dotted quad."""
    octets = " + ".join(
        f"TRY_CAST(split_part(trim({text}), '.', {i}) AS BIGINT) * {256 ** (4 - i)}"
        for i in range(1, 5)
    )
    return f"({octets})"


def _network(address: str, text: str) -> str:
    """Return SQL that is true when ``address`` is in the CIDR range ``text``."""
    shift = f"(32 - coalesce(TRY_CAST(nullif(split_part({text}, '/', 2), '') AS BIGINT), 32))"
    base = _address(f"split_part({text}, '/', 1)")
    return f"(({_address(address)} >> {shift}) = ({base} >> {shift}))"


_FIRST = "CAST(to_json({0}) AS JSON[])"
_SECOND = "CAST(to_json({1}) AS JSON[])"
_NOT_IN_SECOND = f"lambda _item: NOT list_contains({_SECOND}, _item)"
_BOTH = f"{_FIRST}, {_SECOND}"
_TEXTS = "CAST(to_json({1}) AS VARCHAR[])"
_FILTER = "FILTER (WHERE {0} IS NOT NULL AND {1})"

_SCALARS: Mapping[str, tuple[int, str]] = {
    "ipv4_is_private": (
        1,
        f"CASE WHEN regexp_matches({{0}}, '{_IPV4}') THEN regexp_matches({{0}}, '{_PRIVATE}') END",
    ),
    "ipv4_is_in_range": (2, _network("{0}", "{1}")),
    "ipv4_is_match": (2, _network("{0}", "{1}")),
    "ipv4_is_in_any_range": (
        2,
        f"(len(list_filter({_TEXTS}, lambda _range: {_network('{0}', '_range')})) > 0)",
    ),
    "has_ipv4": (
        2,
        "regexp_matches({0}, '(?:^|[^0-9.])' || regexp_escape({1}) || '(?:[^0-9.]|$)')",
    ),
    "bag_keys": (1, "to_json(json_keys({0}))"),
    "bag_has_key": (2, "list_contains(json_keys({0}), {1})"),
    "bag_merge": (2, "json_merge_patch({1}, {0})"),
    "dynamic_to_json": (1, "CAST({0} AS VARCHAR)"),
    "set_union": (2, f"to_json(list_distinct(list_concat({_BOTH})))"),
    "set_intersect": (2, f"to_json(list_intersect({_BOTH}))"),
    "set_difference": (2, f"to_json(list_filter(list_distinct({_FIRST}), {_NOT_IN_SECOND}))"),
    "url_decode": (1, "url_decode({0})"),
    "url_encode": (1, "url_encode({0})"),
    "regex_quote": (1, "regexp_escape({0})"),
    "strcmp": (2, "(CASE WHEN {0} < {1} THEN -1 WHEN {0} > {1} THEN 1 ELSE 0 END)"),
    "isascii": (1, "(strlen({0}) = length({0}))"),
    "string_size": (1, "strlen({0})"),
    "make_string": (1, "chr(CAST({0} AS INTEGER))"),
    "tohex": (1, "lower(to_hex(CAST({0} AS BIGINT)))"),
    "extract_json": (2, "json_extract_string({1}, {0})"),
    "extractjson": (2, "json_extract_string({1}, {0})"),
    "ipv4_compare": (2, f"sign({_address('{0}')} - {_address('{1}')})"),
    "strcat_array": (2, "array_to_string(CAST(to_json({0}) AS VARCHAR[]), {1})"),
    "unixtime_microseconds_todatetime": (1, "make_timestamp(CAST({0} AS BIGINT))"),
    "unixtime_seconds_todatetime": (1, "make_timestamp(CAST({0} * 1000000 AS BIGINT))"),
    "unixtime_milliseconds_todatetime": (1, "make_timestamp(CAST({0} * 1000 AS BIGINT))"),
}
"""Number of arguments and template, by name."""

_AGGREGATES: Mapping[str, tuple[str, str]] = {
    "make_set_if": (
        "set",
        f"to_json(list_sort(coalesce(list(DISTINCT {{0}}) {_FILTER}, [])))",
    ),
    "make_list_if": (
        "list",
        f"to_json(coalesce(list({{0}}) {_FILTER}, []))",
    ),
    "maxif": ("maxif", "max({0}) FILTER (WHERE {1})"),
    "minif": ("minif", "min({0}) FILTER (WHERE {1})"),
    "take_anyif": ("", "any_value({0}) FILTER (WHERE {1})"),
}
"""Prefix of the result's column and template, by name."""


def add_functions() -> None:
    """Add the rows to duckdb-kql's registry in this process, unless it has learned them itself."""
    for name, (arity, template) in _SCALARS.items():
        SCALAR_FUNCTIONS.setdefault(name, FunctionSpec(name, "template", template, (arity,)))
    for name, (prefix, template) in _AGGREGATES.items():
        # Sets and lists may be told their largest size, which no result here comes near.
        arity = (2, 3) if prefix in ("set", "list") else (2,)
        AGGREGATE_FUNCTIONS.setdefault(
            name, AggregateSpec(name, template, arity, name_prefix=prefix)
        )
