"""The checks that anybody runs who knows the business, written from the data dictionary."""

# ruff: noqa: S608 - an analyst's queries

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Check", "Dictionary", "checks", "tagged"]

_PROMISE = re.compile(r"promised within (\d+) hours of (\w+)")
_AT_MOST = re.compile(r"at most (\d+) a line")
_TABLES = re.compile(
    r"\b(customers|products|orders|order_lines|payments|shipments|carriers|codes)\b"
)
_DAYS = {
    "orders": "ordered_at", "order_lines": "", "payments": "loaded_at", "shipments": "shipped_at",
}  # fmt: skip
"""The column whose day a row belongs to; of lines that of their order."""

_COPIES: Mapping[str, tuple[str, ...]] = {
    "payments": ("order_id", "amount", "method", "paid_at"),
    "shipments": ("order_id",),
}
"""What cannot be the same in two rows."""

_FIRST: Sequence[tuple[str, str, str, str]] = (
    ("payments", "paid_at", "orders", "ordered_at"),
    ("shipments", "delivered_at", "", "shipped_at"),
)
"""What cannot be before what: a time, and one of the same row or of its order."""

_MEANT = "CASE WHEN l.quantity > 20 THEN l.quantity // 100 ELSE l.quantity END"
"""A quantity; one that cannot be has two digits too many."""

_CHARGED = (
    "SELECT o.order_id, "
    f"sum({_MEANT} * least(l.unit_price, coalesce(p.list_price, l.unit_price))) "
    "* (100 - any_value(o.discount)) / 100 AS charged "
    "FROM orders o JOIN order_lines l ON l.order_id = o.order_id "
    "LEFT JOIN products p ON p.product_id = l.product_id GROUP BY 1"
)
_WEIGHED = (
    f"SELECT l.order_id, sum({_MEANT} * p.weight) AS grams FROM order_lines l "
    "JOIN products p ON p.product_id = l.product_id GROUP BY 1"
)
_FAR = 30
"""How many times as much is no drift any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What the dictionary says of a column."""

    table: str
    name: str
    meaning: str
    required: bool
    refers_to: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that can be wrong, and the rows in which it is."""

    table: str
    column: str
    kind: str
    condition: str
    """On a row ``r`` of the table."""

    key: str
    tag: str
    """What the names of all tables end in."""

    @property
    def place(self) -> str:
        """Table and column."""
        return f"{self.table}{self.tag}.{self.column}"

    @property
    def rows(self) -> str:
        """The query for the identifiers of wrong rows."""
        sql = f"SELECT r.{self.key} AS id FROM {self.table} r WHERE {self.condition}"
        return tagged(sql, self.tag)

    @property
    def count(self) -> str:
        """The query for how many are wrong."""
        sql = f"SELECT count(*) AS bad FROM {self.table} r WHERE {self.condition}"
        return tagged(sql, self.tag)

    @property
    def daily(self) -> str:
        """The query for how many are wrong on each day."""
        day = _DAYS[self.table]
        source, moment = f"{self.table} r", f"r.{day}"
        if not day:
            source += " LEFT JOIN orders q ON q.order_id = r.order_id"
            moment = "q.ordered_at"
        sql = (
            f"SELECT CAST({moment} AS DATE) AS day, "
            f"count(*) FILTER (WHERE {self.condition}) AS value FROM {source} GROUP BY 1 ORDER BY 1"
        )
        return tagged(sql, self.tag)


class Dictionary:
    """The data dictionary, with the names of tables less what all of them end in."""

    def __init__(self, rows: Sequence[Mapping[str, str | None]]) -> None:
        first = str(rows[0]["table_name"])
        self.tag = first[first.rindex("_") :]
        self.columns = [
            Column(
                table=str(row["table_name"]).removesuffix(self.tag),
                name=str(row["column_name"]),
                meaning=str(row["meaning"]),
                required=row["required"] == "yes",
                refers_to=(row["refers_to"] or "").replace(f"{self.tag}.", "."),
                domain=row["code_domain"] or "",
            )
            for row in rows
        ]

    def key(self, table: str) -> str:
        """Return the identifier of a table."""
        return next(c.name for c in self.columns if c.table == table and c.meaning == "identifier")


def checks(dictionary: Dictionary) -> Iterator[Check]:
    """Yield everything worth asking of orders, their lines, payments and shipments."""
    keys = {table: dictionary.key(table) for table in _DAYS}
    for column in dictionary.columns:
        if column.table in keys:
            for kind, condition in _of_column(column, keys[column.table]):
                yield Check(
                    table=column.table, column=column.name, kind=kind, condition=condition,
                    key=keys[column.table], tag=dictionary.tag,
                )  # fmt: skip


def tagged(sql: str, tag: str) -> str:
    """Return a query with the names of tables as they are."""
    return _TABLES.sub(rf"\g<0>{tag}", sql)


def _of_column(column: Column, key: str) -> Iterator[tuple[str, str]]:
    name = f"r.{column.name}"
    if column.name == key and column.table in _COPIES:
        same = ", ".join(_COPIES[column.table])
        yield (
            "duplicate_rows",
            (
                f"r.{key} IN (SELECT {key} FROM {column.table} QUALIFY "
                f"row_number() OVER (PARTITION BY {same} ORDER BY {key}) > 1)"
            ),
        )
    if column.required:
        yield "missing_value", f"{name} IS NULL"
    if column.refers_to:
        parent, _, identifier = column.refers_to.partition(".")
        yield "broken_reference", f"{name} NOT IN (SELECT {identifier} FROM {parent})"
    if column.domain:
        codes = f"SELECT code FROM codes WHERE domain = '{column.domain}'"
        yield "unknown_code", f"{name} NOT IN ({codes})"
    promise = _PROMISE.search(column.meaning)
    if promise:
        yield "late_load", f"{name} > r.{promise[2]} + INTERVAL {promise[1]} HOUR"
    yield from _of_numbers(column, name)
    for table, moment, parent, before in _FIRST:
        if (column.table, column.name) == (table, moment):
            earliest = (
                f"(SELECT o.{before} FROM {parent} o WHERE o.order_id = r.order_id)"
                if parent
                else f"r.{before}"
            )
            yield "impossible_time", f"{name} < {earliest}"


def _of_numbers(column: Column, name: str) -> Iterator[tuple[str, str]]:
    most = _AT_MOST.search(column.meaning)
    if most:
        yield "outlier", f"{name} > {most[1]}"
    if column.name == "unit_price":
        listed = "(SELECT p.list_price FROM products p WHERE p.product_id = r.product_id)"
        yield "outlier", f"{name} > {_FAR} * {listed}"
        yield "drift", f"{name} > {listed} AND {name} <= {_FAR} * {listed}"
    if (column.table, column.name) == ("payments", "amount"):
        yield "unit_mixup", _compared(_CHARGED, f"{name} * 3 < x.charged - 3")
    if (column.table, column.name) == ("shipments", "weight"):
        yield "unit_mixup", _compared(_WEIGHED, f"{name} > {_FAR} * x.grams")
        most = "1.06 * x.grams + 1"
        yield "drift", _compared(_WEIGHED, f"{name} > {most} AND {name} <= {_FAR} * x.grams")


def _compared(orders: str, condition: str) -> str:
    """Return the condition on what a row's order comes to, ``x``."""
    return f"EXISTS (SELECT 1 FROM ({orders}) x WHERE x.order_id = r.order_id AND {condition})"
