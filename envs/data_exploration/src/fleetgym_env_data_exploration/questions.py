"""Business questions, and the queries that answer them on tables in any disguise."""

# ruff: noqa: S608 - queries over names of ours

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from fleetgym_env_data_exploration.disguise import Disguise
    from fleetgym_warehouse.commerce import Frame

__all__ = ["COLUMNS", "QUESTIONS"]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "revenue": ("category", "revenue_eur"),
    "open-items": ("country", "orders", "open_eur"),
    "lateness": ("carrier", "shipments", "late_percent", "mass_kg"),
}
"""Of the answer to each question."""


class _Names:
    """Expressions over disguised columns, in the business's units."""

    def __init__(self, disguise: Disguise) -> None:
        self._disguise = disguise

    def table(self, entity: str) -> str:
        return f'"{self._disguise.tables[entity]}"'

    def raw(self, alias: str, entity: str, field: str) -> str:
        return f'{alias}."{self._disguise.looks[entity][field].name}"'

    def value(self, alias: str, entity: str, field: str) -> str:
        column = self.raw(alias, entity, field)
        return _CONVERTED[self._disguise.looks[entity][field].unit].format(column)


_CONVERTED: Mapping[str, str] = {
    "none": "{}",
    "eur": "{}",
    "cent": "({} / 100.0)",
    "mill": "({} / 1000.0)",
    "gram": "({} / 1000.0)",
    "kilogram": "{}",
    "percent": "({} / 100.0)",
    "fraction": "{}",
    "timestamp": "{}",
    "epoch_second": "make_timestamp({} * 1000000)",
    "epoch_millisecond": "make_timestamp({} * 1000)",
    "text_time": "CAST({} AS TIMESTAMP)",
}
"""Money in euro, mass in kilograms, ratios of one, times as such."""


def _revenue(disguise: Disguise, frame: Frame, since: datetime, until: datetime) -> str:
    """Sum what lines cost after the discount, by the label of their category."""
    n = _Names(disguise)
    cancelled = frame.codes["status"][-1]
    worth = (
        f"{n.value('l', 'order_line', 'quantity')} * {n.value('l', 'order_line', 'unit_price')}"
        f" * (1 - {n.value('o', 'order', 'discount')})"
    )
    return (
        f"SELECT c.{_label(disguise, 'label')} AS category, sum({worth}) AS revenue_eur "
        f"FROM {n.table('order_line')} l "
        f"JOIN {n.table('order')} o "
        f"ON {n.raw('l', 'order_line', 'order')} = {n.raw('o', 'order', 'id')} "
        f"JOIN {n.table('product')} p "
        f"ON {n.raw('l', 'order_line', 'product')} = {n.raw('p', 'product', 'id')} "
        f"JOIN {n.table('code')} c ON {n.raw('c', 'code', 'domain')} = 'category' "
        f"AND {n.raw('c', 'code', 'code')} = CAST({n.raw('p', 'product', 'category')} AS VARCHAR) "
        f"WHERE {n.value('o', 'order', 'ordered_at')} >= TIMESTAMP '{since:%Y-%m-%d}' "
        f"AND {n.value('o', 'order', 'ordered_at')} < TIMESTAMP '{until:%Y-%m-%d}' "
        f"AND CAST({n.raw('o', 'order', 'status')} AS VARCHAR) <> '{cancelled}' GROUP BY 1"
    )


def _open_items(disguise: Disguise, frame: Frame, since: datetime, until: datetime) -> str:
    """Compare what orders cost with what was paid, by the country of the customer."""
    n = _Names(disguise)
    cancelled = frame.codes["status"][-1]
    worth = (
        f"sum({n.value('l', 'order_line', 'quantity')}"
        f" * {n.value('l', 'order_line', 'unit_price')})"
        f" * (1 - any_value({n.value('o', 'order', 'discount')}))"
    )
    return (
        f"WITH worth AS (SELECT {n.raw('o', 'order', 'id')} AS id, "
        f"any_value({n.raw('o', 'order', 'customer')}) AS customer, round({worth}, 2) AS eur "
        f"FROM {n.table('order')} o JOIN {n.table('order_line')} l "
        f"ON {n.raw('l', 'order_line', 'order')} = {n.raw('o', 'order', 'id')} "
        f"WHERE {n.value('o', 'order', 'ordered_at')} >= TIMESTAMP '{since:%Y-%m-%d}' "
        f"AND {n.value('o', 'order', 'ordered_at')} < TIMESTAMP '{until:%Y-%m-%d}' "
        f"AND CAST({n.raw('o', 'order', 'status')} AS VARCHAR) <> '{cancelled}' GROUP BY 1), "
        f"paid AS (SELECT {n.raw('p', 'payment', 'order')} AS id, "
        f"sum({n.value('p', 'payment', 'amount')}) AS eur FROM {n.table('payment')} p GROUP BY 1) "
        f"SELECT k.{_label(disguise, 'label')} AS country, count(*) AS orders, "
        f"sum(w.eur - coalesce(paid.eur, 0)) AS open_eur FROM worth w "
        f"LEFT JOIN paid ON paid.id = w.id "
        f"JOIN {n.table('customer')} c ON {n.raw('c', 'customer', 'id')} = w.customer "
        f"JOIN {n.table('code')} k ON {n.raw('k', 'code', 'domain')} = 'country' "
        f"AND {n.raw('k', 'code', 'code')} = CAST({n.raw('c', 'customer', 'country')} AS VARCHAR) "
        f"WHERE w.eur - coalesce(paid.eur, 0) > 0.02 GROUP BY 1"
    )


def _lateness(disguise: Disguise, frame: Frame, since: datetime, until: datetime) -> str:
    """Compare deliveries with promises, by the name of the carrier."""
    del frame
    n = _Names(disguise)
    promised, delivered = (
        n.value("s", "shipment", name) for name in ("promised_at", "delivered_at")
    )
    return (
        f"SELECT k.{_label(disguise, 'name', 'carrier')} AS carrier, count(*) AS shipments, "
        f"100.0 * count(*) FILTER (WHERE {delivered} > {promised}) / count(*) AS late_percent, "
        f"sum({n.value('s', 'shipment', 'weight')}) AS mass_kg FROM {n.table('shipment')} s "
        f"JOIN {n.table('carrier')} k "
        f"ON {n.raw('k', 'carrier', 'id')} = {n.raw('s', 'shipment', 'carrier')} "
        f"WHERE {delivered} IS NOT NULL AND {promised} >= TIMESTAMP '{since:%Y-%m-%d}' "
        f"AND {promised} < TIMESTAMP '{until:%Y-%m-%d}' GROUP BY 1"
    )


def _label(disguise: Disguise, field: str, entity: str = "code") -> str:
    return f'"{disguise.looks[entity][field].name}"'


QUESTIONS: Mapping[str, Callable[[Disguise, Frame, datetime, datetime], str]] = {
    "revenue": _revenue,
    "open-items": _open_items,
    "lateness": _lateness,
}
"""Write the query that answers a question about the time from one day to another."""
