"""Tables with names that say what they hold, and a dictionary that says the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym_warehouse.commerce import Array, Tables
    from fleetgym_warehouse.database import Column

__all__ = ["COLUMNS", "IDS", "Documented", "dressed", "named"]

PROMISE_H = 36
"""Hours within which orders and shipments are loaded."""


class Documented(NamedTuple):
    """A column, and what the dictionary says of it."""

    name: str
    type: str
    meaning: str
    unit: str = ""
    required: bool = True
    refers_to: str = ""
    """Table and column of the identifier that it names."""

    domain: str = ""
    """The list in ``codes`` that it takes its values from."""


def _loaded(what: str) -> str:
    return f"when the row was loaded; promised within {PROMISE_H} hours of {what}"


COLUMNS: Mapping[str, tuple[Documented, ...]] = {
    "customers": (
        Documented("customer_id", "BIGINT", "identifier"),
        Documented("name", "VARCHAR", "name; several may share one"),
        Documented("country", "VARCHAR", "country", domain="country"),
        Documented("segment", "VARCHAR", "segment", domain="segment"),
        Documented("signed_up", "TIMESTAMP", "first contact", "UTC"),
    ),
    "products": (
        Documented("product_id", "BIGINT", "identifier"),
        Documented("title", "VARCHAR", "name; several may share one"),
        Documented("category", "VARCHAR", "category", domain="category"),
        Documented("list_price", "BIGINT", "price of one", "cents"),
        Documented("weight", "BIGINT", "of one", "grams"),
        Documented("active", "BOOLEAN", "still sold"),
    ),
    "orders": (
        Documented("order_id", "BIGINT", "identifier"),
        Documented("customer_id", "BIGINT", "who ordered", refers_to="customers.customer_id"),
        Documented("ordered_at", "TIMESTAMP", "when", "UTC"),
        Documented("status", "VARCHAR", "status", domain="status"),
        Documented("discount", "BIGINT", "off the sum of the lines", "percent"),
        Documented("remark", "VARCHAR", "free text", required=False),
        Documented("loaded_at", "TIMESTAMP", _loaded("ordered_at"), "UTC"),
    ),
    "order_lines": (
        Documented("line_id", "BIGINT", "identifier"),
        Documented("order_id", "BIGINT", "of which order", refers_to="orders.order_id"),
        Documented("line_number", "BIGINT", "within the order"),
        Documented("product_id", "BIGINT", "what was ordered", refers_to="products.product_id"),
        Documented("quantity", "BIGINT", "how many; at most 20 a line"),
        Documented("unit_price", "BIGINT", "price of one; at most the list price", "cents"),
    ),
    "payments": (
        Documented("payment_id", "BIGINT", "identifier"),
        Documented("order_id", "BIGINT", "for which order", refers_to="orders.order_id"),
        Documented("paid_at", "TIMESTAMP", "when; never before the order", "UTC"),
        Documented(
            "amount", "BIGINT", "in full, or in parts of at least a third of what is charged",
            "cents",
        ),
        Documented("method", "VARCHAR", "how", domain="method"),
        Documented(
            "loaded_at", "TIMESTAMP", "when the bank's file was read; nothing is promised", "UTC"
        ),
    ),
    "shipments": (
        Documented("shipment_id", "BIGINT", "identifier"),
        Documented(
            "order_id", "BIGINT", "of which order; an order is sent once",
            refers_to="orders.order_id",
        ),
        Documented("carrier_id", "BIGINT", "who carries it", refers_to="carriers.carrier_id"),
        Documented("shipped_at", "TIMESTAMP", "when it left", "UTC"),
        Documented("promised_at", "TIMESTAMP", "when it was promised for", "UTC"),
        Documented(
            "delivered_at", "TIMESTAMP", "when it arrived; never before it left; empty until then",
            "UTC", required=False,
        ),
        Documented(
            "weight", "BIGINT",
            "what the order's products weigh; packaging adds a twentieth at most", "grams",
        ),
        Documented("loaded_at", "TIMESTAMP", _loaded("shipped_at"), "UTC"),
    ),
    "carriers": (
        Documented("carrier_id", "BIGINT", "identifier"),
        Documented("name", "VARCHAR", "name"),
        Documented("country", "VARCHAR", "country", domain="country"),
    ),
    "codes": (
        Documented("domain", "VARCHAR", "which list"),
        Documented("code", "VARCHAR", "what stands in columns"),
        Documented("label", "VARCHAR", "what it means; codes may share one"),
    ),
}  # fmt: skip
"""What there is, by table."""

IDS: Mapping[str, str] = {
    "orders": "order_id", "order_lines": "line_id", "payments": "payment_id",
    "shipments": "shipment_id",
}  # fmt: skip
"""Of the tables in which something can be wrong."""

_SOURCES: Mapping[str, tuple[str, ...]] = {
    "customers": ("customer", "id", "name", "country", "segment", "signed_up"),
    "products": ("product", "id", "title", "category", "list_price", "weight", "active"),
    "orders": ("order", "id", "customer", "ordered_at", "status", "discount", "remark"),
    "order_lines": ("order_line", "", "order", "number", "product", "quantity", "unit_price"),
    "payments": ("payment", "id", "order", "paid_at", "amount", "method"),
    "shipments": (
        "shipment", "id", "order", "carrier", "shipped_at", "promised_at", "delivered_at", "weight",
    ),
    "carriers": ("carrier", "id", "name", "country"),
    "codes": ("code", "domain", "code", "label"),
}  # fmt: skip
"""The entity of each table, and the field of each column in order."""

_LINE_IDS = 50_001


def named(tables: Tables, rng: np.random.Generator) -> Tables:
    """Return the tables under the names of the dictionary, with times at which they were loaded."""
    found: Tables = {}
    for table, (entity, *fields) in _SOURCES.items():
        columns = COLUMNS[table]
        rows = tables[entity]
        found[table] = {
            column.name: rows[field]
            for column, field in zip(columns, fields, strict=False)
            if field
        }
    lines = found["order_lines"]
    count = len(lines["order_id"])
    found["order_lines"] = {"line_id": np.arange(_LINE_IDS, _LINE_IDS + count), **lines}
    for table, event in (
        ("orders", "ordered_at"),
        ("payments", "paid_at"),
        ("shipments", "shipped_at"),
    ):
        times = found[table][event]
        waited = rng.integers(600, (PROMISE_H - 2) * 3600, len(times)).astype("timedelta64[s]")
        found[table]["loaded_at"] = times + waited
    return found


def dressed(tables: Tables, tag: str) -> dict[str, dict[str, Column]]:
    """Return the tables as they are written, their names ending in ``tag``, and the dictionary."""
    found: dict[str, dict[str, Column]] = {
        f"{table}{tag}": {
            column.name: (column.type, tables[table][column.name]) for column in columns
        }
        for table, columns in COLUMNS.items()
    }
    found["data_dictionary"] = _dictionary(tag)
    return found


def _dictionary(tag: str) -> dict[str, Column]:
    rows = [(table, column) for table, columns in COLUMNS.items() for column in columns]
    texts: dict[str, Sequence[object]] = {
        "table_name": [f"{table}{tag}" for table, _ in rows],
        "column_name": [column.name for _, column in rows],
        "meaning": [column.meaning for _, column in rows],
        "unit": [column.unit or None for _, column in rows],
        "required": ["yes" if column.required else "no" for _, column in rows],
        "refers_to": [column.refers_to.replace(".", f"{tag}.") or None for _, column in rows],
        "code_domain": [column.domain or None for _, column in rows],
    }
    return {name: ("VARCHAR", _objects(values)) for name, values in texts.items()}


def _objects(values: Sequence[object]) -> Array:
    return np.array(values, dtype=object)
