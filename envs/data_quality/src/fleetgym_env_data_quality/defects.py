"""Defects, planted into tables that are in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fleetgym_env_data_quality.documented import IDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fleetgym_warehouse.commerce import Array, Tables

__all__ = ["DEFECTS", "Place", "Planting"]

_LONGEST_DAYS = 45
_SHORTEST_DAYS = 20


class Place(NamedTuple):
    """A column that something can be wrong with."""

    table: str
    column: str

    def tagged(self, tag: str) -> str:
        """Return table and column, the table with what its name ends in."""
        return f"{self.table}{tag}.{self.column}"

    def __str__(self) -> str:
        """Return table and column."""
        return f"{self.table}.{self.column}"


@dataclass(slots=True)
class Planting:
    """Tables in the making, and rows in which something is wrong already."""

    tables: Tables
    rng: np.random.Generator
    taken: dict[str, set[int]] = field(default_factory=dict[str, set[int]])
    """Identifiers, by table."""

    def plant(self, kind: str, place: Place) -> list[int]:
        """Make a defect, and return the identifiers of its rows."""
        make, share, most = _MAKERS[kind]
        found = make(self, place, self._chosen(kind, place, share, most))
        self.taken.setdefault(place.table, set()).update(found)
        return sorted(found)

    def _chosen(self, kind: str, place: Place, share: float, most: int) -> Array:
        """Return some rows of some weeks in which nothing is wrong yet."""
        rows = self.tables[place.table]
        times = self._times(place.table)
        first, last = times.min(), times.max()
        days = int(self.rng.integers(_SHORTEST_DAYS, _LONGEST_DAYS))
        span = int((last - first) // np.timedelta64(1, "D")) - days
        begin = first + np.timedelta64(int(self.rng.integers(0, span)), "D")
        inside = (times >= begin) & (times < begin + np.timedelta64(days, "D"))
        taken = list(self.taken.get(place.table, set[int]()))
        free = ~np.isin(rows[IDS[place.table]], np.array(taken, dtype=np.int64))
        fitting = np.flatnonzero(inside & free & self._open_to(kind, place))
        count = max(6, min(most, int(share * len(fitting))))
        return self.rng.permutation(fitting)[:count]

    def _open_to(self, kind: str, place: Place) -> Array:
        """Return in which rows a defect can be told from everything else."""
        rows = self.tables[place.table]
        if str(place) in ("order_lines.product_id", "order_lines.quantity"):
            # What is sent is weighed by its lines.
            return ~np.isin(rows["order_id"], self.tables["shipments"]["order_id"])
        if str(place) == "shipments.delivered_at":
            return ~np.isnat(rows["delivered_at"])
        if (kind, str(place)) == ("drift", "order_lines.unit_price"):
            products = self.tables["products"]
            found = np.searchsorted(products["product_id"], rows["product_id"])
            found = np.minimum(found, len(products["product_id"]) - 1)
            return rows["unit_price"] == products["list_price"][found]
        return np.ones(len(rows[IDS[place.table]]), dtype=bool)

    def _times(self, table: str) -> Array:
        rows = self.tables[table]
        if table == "order_lines":
            orders = self.tables["orders"]
            return orders["ordered_at"][np.searchsorted(orders["order_id"], rows["order_id"])]
        return rows[
            {"orders": "ordered_at", "payments": "paid_at", "shipments": "shipped_at"}[table]
        ]


def _ids(planting: Planting, place: Place, rows: Array) -> list[int]:
    return [int(number) for number in planting.tables[place.table][IDS[place.table]][rows]]


def _change(planting: Planting, place: Place, rows: Array, values: object) -> list[int]:
    """Put values into a column; it may hold anything then."""
    column = planting.tables[place.table][place.column].copy()
    column[rows] = values
    planting.tables[place.table][place.column] = column
    return _ids(planting, place, rows)


def _duplicate(planting: Planting, place: Place, rows: Array) -> list[int]:
    """Add the same rows again with identifiers of their own, loaded a little later."""
    table = planting.tables[place.table]
    originals = _ids(planting, place, rows)
    again = {name: values[rows] for name, values in table.items()}
    last = int(table[place.column].max())
    again[place.column] = last + 1 + np.arange(len(rows))
    again["loaded_at"] = again["loaded_at"] + np.timedelta64(300, "s")
    planting.tables[place.table] = {
        name: np.concatenate([values, again[name]]) for name, values in table.items()
    }
    planting.taken.setdefault(place.table, set()).update(originals)
    return [int(number) for number in again[place.column]]


def _mix_units(planting: Planting, place: Place, rows: Array) -> list[int]:
    """Write milligrams for grams, or euro for cents."""
    values = planting.tables[place.table][place.column][rows]
    return _change(
        planting, place, rows, values * 1000 if place.column == "weight" else values // 100
    )


def _invent_code(planting: Planting, place: Place, rows: Array) -> list[int]:
    column = planting.tables[place.table][place.column].astype(object)
    column[rows] = f"{column[rows[0]]}{planting.rng.choice(('x', '*', '?', '_old'))}"
    planting.tables[place.table][place.column] = column
    return _ids(planting, place, rows)


def _load_late(planting: Planting, place: Place, rows: Array) -> list[int]:
    late = planting.rng.integers(3 * 86400, 9 * 86400, len(rows)).astype("timedelta64[s]")
    return _change(planting, place, rows, planting.tables[place.table][place.column][rows] + late)


def _break_reference(planting: Planting, place: Place, rows: Array) -> list[int]:
    nobody = 9_000_000 + planting.rng.integers(0, 1000, len(rows))
    return _change(planting, place, rows, nobody)


def _blow_up(planting: Planting, place: Place, rows: Array) -> list[int]:
    return _change(planting, place, rows, planting.tables[place.table][place.column][rows] * 100)


def _drift(planting: Planting, place: Place, rows: Array) -> list[int]:
    """Add a seventh to a fourth, the same to all: an old list of prices, a scale that is off."""
    values = planting.tables[place.table][place.column][rows]
    factor = planting.rng.uniform(1.14, 1.25)
    return _change(planting, place, rows, np.ceil(values * factor).astype(np.int64))


def _remove(planting: Planting, place: Place, rows: Array) -> list[int]:
    column = planting.tables[place.table][place.column]
    if column.dtype.kind == "M":
        return _change(planting, place, rows, np.datetime64("NaT"))
    planting.tables[place.table][place.column] = column.astype(object)
    return _change(planting, place, rows, None)


def _turn_back(planting: Planting, place: Place, rows: Array) -> list[int]:
    """Write the year before last."""
    values = planting.tables[place.table][place.column][rows]
    return _change(planting, place, rows, values - np.timedelta64(730, "D"))


_MAKERS: Mapping[str, tuple[Callable[[Planting, Place, Array], list[int]], float, int]] = {
    "duplicate_rows": (_duplicate, 0.25, 90),
    "unit_mixup": (_mix_units, 0.3, 120),
    "unknown_code": (_invent_code, 0.3, 120),
    "late_load": (_load_late, 0.5, 200),
    "broken_reference": (_break_reference, 0.1, 50),
    "outlier": (_blow_up, 0.06, 40),
    "drift": (_drift, 0.6, 200),
    "missing_value": (_remove, 0.3, 120),
    "impossible_time": (_turn_back, 0.15, 60),
}
"""How each kind is made, of which share of the rows of some weeks, and of how many at most."""

DEFECTS: Mapping[str, Sequence[Place]] = {
    "duplicate_rows": (Place("payments", "payment_id"), Place("shipments", "shipment_id")),
    "unit_mixup": (Place("shipments", "weight"), Place("payments", "amount")),
    "unknown_code": (Place("payments", "method"), Place("orders", "status")),
    "late_load": (Place("orders", "loaded_at"), Place("shipments", "loaded_at")),
    "broken_reference": (
        Place("order_lines", "product_id"), Place("payments", "order_id"),
        Place("shipments", "carrier_id"),
    ),
    "outlier": (Place("order_lines", "unit_price"), Place("order_lines", "quantity")),
    "drift": (Place("shipments", "weight"), Place("order_lines", "unit_price")),
    "missing_value": (Place("orders", "customer_id"), Place("shipments", "promised_at")),
    "impossible_time": (Place("payments", "paid_at"), Place("shipments", "delivered_at")),
}  # fmt: skip
"""Where each kind of defect can be."""
