"""Writing the query that answers the question, over columns whose meaning is known."""

# ruff: noqa: S608 - an analyst's queries

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from fleetgym_env_data_exploration.expert.tables import query, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.policy import Moves
    from fleetgym_env_data_exploration.expert.tables import Column, Table

__all__ = ["answer"]

_MONTH = re.compile(r"[A-Z][a-z]+ 20\d\d")
_IN_UNITS: Mapping[str, str] = {
    "cent": "({} / 100.0)",
    "mill": "({} / 1000.0)",
    "gram": "({} / 1000.0)",
    "percent": "({} / 100.0)",
    "epoch_second": "make_timestamp({} * 1000000)",
    "epoch_millisecond": "make_timestamp({} * 1000)",
    "text_time": "CAST({} AS TIMESTAMP)",
}
"""In euro, kilograms, parts of one, and as timestamps."""


def answer(prompt: str, tables: Mapping[str, Table]) -> Moves[str]:
    """Return the query that the prompt asks for."""
    found = _MONTH.search(prompt)
    since = datetime.strptime(found[0] if found else "", "%B %Y")  # noqa: DTZ007 - a month
    until = since.replace(year=since.year + since.month // 12, month=since.month % 12 + 1)
    known = {table.entity: table for table in tables.values()}
    if "late_percent" in prompt:
        return (yield from _lateness(known, since, until))
    cancelled = yield from _cancelled(known)
    placed = _between(_value(known["order"].of("time")[0], "o"), since, until)
    live = f"CAST({_code(known['order'], 'status').sql('o')} AS VARCHAR) <> '{cancelled}'"
    if "open_eur" in prompt:
        return _open_items(known, f"{placed} AND {live}")
    return _revenue(known, f"{placed} AND {live}")


def _cancelled(known: Mapping[str, Table]) -> Moves[str]:
    """Return the code of the status that says so."""
    codes = known["code"]
    code, label, domain = (codes.of(role)[0].name for role in ("code", "label", "domain"))
    rows = yield from query(
        f"SELECT {quoted(code)} AS code FROM {quoted(codes.name)} "
        f"WHERE {quoted(domain)} = 'status' AND {quoted(label)} ILIKE 'cancel%'"
    )
    return str(rows[0]["code"])


def _revenue(known: Mapping[str, Table], condition: str) -> str:
    lines = known["order_line"]
    worth = (
        f"{lines.of('quantity')[0].sql('l')} * {_value(lines.of('money')[0], 'l')} "
        f"* (1 - {_value(known['order'].of('ratio')[0], 'o')})"
    )
    return (
        f"SELECT {known['code'].of('label')[0].sql('k')} AS category, sum({worth}) AS revenue_eur "
        f"FROM {quoted(lines.name)} l {_join(known, 'order_line', 'l', 'order', 'o')} "
        f"{_join(known, 'order_line', 'l', 'product', 'p')} "
        f"{_labelled(known, 'product', 'p', 'category')} WHERE {condition} GROUP BY 1"
    )


def _open_items(known: Mapping[str, Table], condition: str) -> str:
    lines, order, payment = known["order_line"], known["order"], known["payment"]
    worth = (
        f"sum({lines.of('quantity')[0].sql('l')} * {_value(lines.of('money')[0], 'l')}) "
        f"* (1 - any_value({_value(order.of('ratio')[0], 'o')}))"
    )
    customer = _reference(order, known["customer"])
    return (
        f"WITH worth AS (SELECT {order.key[0].sql('o')} AS id, "
        f"any_value({customer.sql('o')}) AS customer, round({worth}, 2) AS eur "
        f"FROM {quoted(lines.name)} l {_join(known, 'order_line', 'l', 'order', 'o')} "
        f"WHERE {condition} GROUP BY 1), "
        f"paid AS (SELECT {_reference(payment, order).sql('p')} AS id, "
        f"sum({_value(payment.of('money')[0], 'p')}) AS eur "
        f"FROM {quoted(payment.name)} p GROUP BY 1) "
        f"SELECT {known['code'].of('label')[0].sql('k')} AS country, count(*) AS orders, "
        f"sum(w.eur - coalesce(paid.eur, 0)) AS open_eur FROM worth w "
        f"LEFT JOIN paid ON paid.id = w.id JOIN {quoted(known['customer'].name)} c "
        f"ON {known['customer'].key[0].sql('c')} = w.customer "
        f"{_labelled(known, 'customer', 'c', 'country')} "
        f"WHERE w.eur - coalesce(paid.eur, 0) > 0.02 GROUP BY 1 ORDER BY 3 DESC"
    )


def _lateness(known: Mapping[str, Table], since: datetime, until: datetime) -> Moves[str]:
    shipment, carrier = known["shipment"], known["carrier"]
    times = shipment.of("time")
    arrived = max(times, key=lambda column: column.nulls)
    one, other = (column for column in times if column is not arrived)
    rows = yield from query(
        f"SELECT count(*) AS n FROM {quoted(shipment.name)} s "
        f"WHERE {_value(one, 's')} > {_value(other, 's')}"
    )
    promised = one if rows[0]["n"] > one.rows / 2 else other
    delivered, due = _value(arrived, "s"), _value(promised, "s")
    return (
        f"SELECT {carrier.of('name')[0].sql('c')} AS carrier, count(*) AS shipments, "
        f"100.0 * count(*) FILTER (WHERE {delivered} > {due}) / count(*) AS late_percent, "
        f"sum({_value(shipment.of('mass')[0], 's')}) AS mass_kg FROM {quoted(shipment.name)} s "
        f"{_join(known, 'shipment', 's', 'carrier', 'c')} "
        f"WHERE {delivered} IS NOT NULL AND {_between(due, since, until)} GROUP BY 1"
    )


def _value(column: Column, alias: str) -> str:
    return _IN_UNITS.get(column.unit, "{}").format(column.sql(alias))


def _between(moment: str, since: datetime, until: datetime) -> str:
    return f"{moment} >= TIMESTAMP '{since:%Y-%m-%d}' AND {moment} < TIMESTAMP '{until:%Y-%m-%d}'"


def _code(table: Table, domain: str) -> Column:
    return next(column for column in table.of("code") if column.domain == domain)


def _reference(table: Table, parent: Table) -> Column:
    return next(c for c in table.columns if c.refers is not None and c.refers.table == parent.name)


def _join(known: Mapping[str, Table], child: str, alias: str, parent: str, other: str) -> str:
    reference = _reference(known[child], known[parent])
    return (
        f"JOIN {quoted(known[parent].name)} {other} "
        f"ON {known[parent].key[0].sql(other)} = {reference.sql(alias)}"
    )


def _labelled(known: Mapping[str, Table], entity: str, alias: str, domain: str) -> str:
    codes = known["code"]
    return (
        f"JOIN {quoted(codes.name)} k ON {codes.of('domain')[0].sql('k')} = '{domain}' "
        f"AND {codes.of('code')[0].sql('k')} "
        f"= CAST({_code(known[entity], domain).sql(alias)} AS VARCHAR)"
    )
