"""A mail-order company's rows: consistent with each other, and each draw with others."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - part of a public alias
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fleetgym_warehouse.words import (
    ADJECTIVES,
    CARRIERS,
    DOMAINS,
    FIRST_NAMES,
    LAST_NAMES,
    NOUNS,
    REMARKS,
)

__all__ = ["BEGIN", "Array", "Frame", "Tables", "draw_frame", "draw_rows"]

Array: TypeAlias = "npt.NDArray[Any]"
Tables: TypeAlias = "dict[str, dict[str, Array]]"
"""Columns by entity and meaning. Money in cents, mass in grams, ratios in percent, times in UTC."""

BEGIN = datetime(2025, 10, 1, tzinfo=UTC)
"""Orders begin here, and come for nine months."""

_DAYS = 273
_CUSTOMERS = 400
_PRODUCTS = 150
_ORDERS = 3000
_ENDINGS = (99, 49, 95)
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every draw of rows has in common."""

    ids: Mapping[str, tuple[int, int]]
    """Where the numbers of an entity begin, and by how much they grow."""

    codes: Mapping[str, tuple[str, ...]]
    """By domain, in the order of ``words.DOMAINS``."""

    lateness: tuple[float, ...]
    """How often each carrier is late, in [0, 1]."""


def draw_frame(rng: np.random.Generator) -> Frame:
    """Draw how ids are numbered and which codes stand for what."""
    entities = ("customer", "product", "order", "payment", "shipment", "carrier")
    return Frame(
        ids={
            name: (int(rng.integers(101, 5000)), int(rng.choice((1, 1, 1, 3, 7))))
            for name in entities
        },
        codes={name: _codes(rng, len(labels)) for name, labels in DOMAINS.items()},
        lateness=tuple(float(x) for x in rng.uniform(0.03, 0.45, len(CARRIERS) - 2)),
    )


def draw_rows(frame: Frame, rng: np.random.Generator) -> Tables:
    """Draw the rows of all entities."""
    customers: dict[str, Array] = {
        "id": _numbers(frame, "customer", _CUSTOMERS),
        "name": _joined(rng, FIRST_NAMES, LAST_NAMES, _CUSTOMERS),
        "country": rng.choice(frame.codes["country"], _CUSTOMERS),
        "segment": rng.choice(frame.codes["segment"], _CUSTOMERS, p=(0.6, 0.25, 0.1, 0.05)),
        "signed_up": _times(rng, -700, 0, _CUSTOMERS),
    }
    products: dict[str, Array] = {
        "id": _numbers(frame, "product", _PRODUCTS),
        "title": _joined(rng, ADJECTIVES, NOUNS, _PRODUCTS),
        "category": rng.choice(frame.codes["category"], _PRODUCTS),
        "list_price": rng.integers(3, 290, _PRODUCTS) * 100 + rng.choice(_ENDINGS, _PRODUCTS),
        "weight": rng.integers(60, 9000, _PRODUCTS),
        "active": rng.random(_PRODUCTS) < 0.8,
    }
    orders: dict[str, Array] = {
        "id": _numbers(frame, "order", _ORDERS),
        "customer": rng.choice(customers["id"], _ORDERS, p=_skewed(rng, _CUSTOMERS)),
        "ordered_at": np.sort(_times(rng, 0, _DAYS, _ORDERS)),
        "status": rng.choice(frame.codes["status"], _ORDERS, p=(0.1, 0.2, 0.55, 0.05, 0.1)),
        "discount": rng.choice((0, 0, 0, 0, 5, 10, 15, 20), _ORDERS),
        "remark": _remarks(rng),
    }
    lines, owner = _lines(rng, orders, products)
    full = np.bincount(owner, lines["quantity"] * lines["unit_price"], _ORDERS)
    value = (full.astype(np.int64) * (100 - orders["discount"]) + 50) // 100
    places = np.searchsorted(products["id"], lines["product"])
    mass = np.bincount(owner, lines["quantity"] * products["weight"][places], _ORDERS)
    live = orders["status"] != frame.codes["status"][DOMAINS["status"].index("cancelled")]
    carriers = {
        "id": _numbers(frame, "carrier", len(frame.lateness)),
        "name": np.array(CARRIERS[: len(frame.lateness)], dtype=object),
        "country": rng.choice(frame.codes["country"], len(frame.lateness)),
    }
    return {
        "customer": customers,
        "product": products,
        "order": orders,
        "order_line": lines,
        "payment": _payments(frame, rng, orders, value, live),
        "shipment": _shipments(frame, rng, orders, mass, carriers=carriers["id"], live=live),
        "carrier": carriers,
        "code": _code_rows(frame),
    }


def _lines(
    rng: np.random.Generator, orders: Mapping[str, Array], products: Mapping[str, Array]
) -> tuple[dict[str, Array], Array]:
    """Return the lines, and of each the index of its order."""
    counts = rng.choice((1, 2, 3, 4, 5), _ORDERS, p=(0.35, 0.28, 0.2, 0.12, 0.05))
    owner = np.repeat(np.arange(_ORDERS), counts)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    chosen = rng.choice(_PRODUCTS, len(owner), p=_skewed(rng, _PRODUCTS))
    # Some orders have a product twice: number and order make the key, nothing else does.
    again = (number > 1) & (rng.random(len(owner)) < 0.04)
    chosen[again] = chosen[np.flatnonzero(again) - 1]
    price = products["list_price"][chosen]
    cheaper = np.minimum(price, price * 8 // 1000 * 100 + 99)
    lines = {
        "order": orders["id"][owner],
        "number": number,
        "product": products["id"][chosen],
        "quantity": rng.choice(
            (1, 2, 3, 4, 6, 8), len(owner), p=(0.6, 0.2, 0.08, 0.06, 0.04, 0.02)
        ),
        "unit_price": np.where(rng.random(len(owner)) < 0.2, cheaper, price),
    }
    return lines, owner


def _payments(
    frame: Frame,
    rng: np.random.Generator,
    orders: Mapping[str, Array],
    value: Array,
    live: Array,
) -> dict[str, Array]:
    """Pay most orders in full, some in two parts, some in part, some not."""
    way = rng.choice(("full", "halves", "part", "none"), _ORDERS, p=(0.78, 0.1, 0.06, 0.06))
    way[~live] = "none"
    first = np.where(way == "full", value, np.where(way == "halves", value // 2, value * 3 // 5))
    whole, halves = np.flatnonzero(way != "none"), np.flatnonzero(way == "halves")
    owner = np.concatenate([whole, halves])
    amount = np.concatenate([first[whole], (value - value // 2)[halves]])
    waited = np.concatenate(
        [rng.integers(0, 12 * 86400, len(whole)), rng.integers(15 * 86400, 40 * 86400, len(halves))]
    )
    paid_at = orders["ordered_at"][owner] + waited.astype("timedelta64[s]")
    order = np.argsort(paid_at, kind="stable")
    return {
        "id": _numbers(frame, "payment", len(owner)),
        "order": orders["id"][owner][order],
        "paid_at": paid_at[order],
        "amount": amount[order],
        "method": rng.choice(frame.codes["method"], len(owner)),
    }


def _shipments(
    frame: Frame,
    rng: np.random.Generator,
    orders: Mapping[str, Array],
    mass: Array,
    *,
    carriers: Array,
    live: Array,
) -> dict[str, Array]:
    owner = np.flatnonzero(live & (rng.random(_ORDERS) < 0.85))
    count = len(owner)
    carrier = rng.integers(0, len(carriers), count)
    ordered = orders["ordered_at"][owner]
    shipped = ordered + rng.integers(6 * 3600, 60 * 3600, count).astype("timedelta64[s]")
    promised = shipped + rng.integers(2 * 86400, 6 * 86400, count).astype("timedelta64[s]")
    late = rng.random(count) < np.array(frame.lateness)[carrier]
    gap = np.where(
        late, rng.integers(3600, 80 * 3600, count), -rng.integers(3600, 40 * 3600, count)
    )
    delivered = promised + gap.astype("timedelta64[s]")
    delivered[rng.random(count) < 0.05] = np.datetime64("NaT")
    return {
        "id": _numbers(frame, "shipment", count),
        "order": orders["id"][owner],
        "carrier": carriers[carrier],
        "shipped_at": shipped,
        "promised_at": promised,
        "delivered_at": delivered,
        "weight": np.rint(mass[owner] * rng.uniform(1.0, 1.05, count)).astype(np.int64),
    }


def _code_rows(frame: Frame) -> dict[str, Array]:
    rows = [
        (domain, code, label)
        for domain, labels in DOMAINS.items()
        for code, label in zip(frame.codes[domain], labels, strict=True)
    ]
    columns = zip(*rows, strict=True)
    return {
        name: np.array(values, dtype=object)
        for name, values in zip(("domain", "code", "label"), columns, strict=True)
    }


def _codes(rng: np.random.Generator, count: int) -> tuple[str, ...]:
    """Draw codes: two digits, or two letters."""
    if rng.random() < 0.5:
        return tuple(str(n) for n in rng.choice(np.arange(10, 100), count, replace=False))
    pairs = rng.choice(len(_LETTERS) ** 2, count, replace=False)
    return tuple(_LETTERS[n // len(_LETTERS)] + _LETTERS[n % len(_LETTERS)] for n in pairs)


def _numbers(frame: Frame, entity: str, count: int) -> Array:
    start, step = frame.ids[entity]
    return start + step * np.arange(count, dtype=np.int64)


def _times(rng: np.random.Generator, first_day: int, last_day: int, count: int) -> Array:
    begin = np.datetime64(BEGIN.replace(tzinfo=None), "s")
    return begin + rng.integers(first_day * 86400, last_day * 86400, count).astype("timedelta64[s]")


def _remarks(rng: np.random.Generator) -> Array:
    """Return a remark on every seventh order, about; None on the others."""
    found = rng.choice(REMARKS, _ORDERS).astype(object)
    found[rng.random(_ORDERS) >= 0.15] = None
    return found


def _joined(rng: np.random.Generator, one: tuple[str, ...], two: tuple[str, ...], n: int) -> Array:
    pairs = zip(rng.choice(one, n), rng.choice(two, n), strict=True)
    return np.array([f"{first} {second}" for first, second in pairs], dtype=object)


def _skewed(rng: np.random.Generator, count: int) -> Array:
    weights = rng.gamma(0.8, 1.0, count) + 0.05
    return weights / weights.sum()
