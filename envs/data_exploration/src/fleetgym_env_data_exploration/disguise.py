"""Giving tables the look of an old export: names that say little, and units of all kinds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fleetgym_warehouse.commerce import Array, Tables
    from fleetgym_warehouse.database import Column

__all__ = ["ENTITIES", "KEYS", "Disguise", "Field", "Look", "draw_disguise"]


_T = TypeVar("_T")
_CONSONANTS = "BDFGHJKLMNPRSTVW"


class Field(NamedTuple):
    """A column, as the business knows it."""

    name: str
    role: str
    refers: str = ""
    """The entity that it names a row of, or the domain of its codes."""


ENTITIES: Mapping[str, tuple[Field, ...]] = {
    "customer": (
        Field("id", "identifier"), Field("name", "name"), Field("country", "code", "country"),
        Field("segment", "code", "segment"), Field("signed_up", "time"),
    ),
    "product": (
        Field("id", "identifier"), Field("title", "name"), Field("category", "code", "category"),
        Field("list_price", "money"), Field("weight", "mass"), Field("active", "flag"),
    ),
    "order": (
        Field("id", "identifier"), Field("customer", "reference", "customer"),
        Field("ordered_at", "time"), Field("status", "code", "status"),
        Field("discount", "ratio"), Field("remark", "text"),
    ),
    "order_line": (
        Field("order", "reference", "order"), Field("number", "line_number"),
        Field("product", "reference", "product"), Field("quantity", "quantity"),
        Field("unit_price", "money"),
    ),
    "payment": (
        Field("id", "identifier"), Field("order", "reference", "order"), Field("paid_at", "time"),
        Field("amount", "money"), Field("method", "code", "method"),
    ),
    "shipment": (
        Field("id", "identifier"), Field("order", "reference", "order"),
        Field("carrier", "reference", "carrier"), Field("shipped_at", "time"),
        Field("promised_at", "time"), Field("delivered_at", "time"), Field("weight", "mass"),
    ),
    "carrier": (
        Field("id", "identifier"), Field("name", "name"), Field("country", "code", "country"),
    ),
    "code": (Field("domain", "domain"), Field("code", "code"), Field("label", "label")),
}  # fmt: skip
"""What there is to be disguised."""

KEYS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "order_line": (("order", "number"),),
    "code": (("domain", "code"),),
    "shipment": (("id",), ("order",)),
}
"""What may be called the key, where that is not ``id`` alone: an order is sent at once."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a column looks like: its name, type and unit."""

    name: str
    unit: str
    kind: str
    written: Callable[[Array], Array]
    """Turns the business's values into the column's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disguise:
    """The looks of all tables; the same for two draws of rows."""

    tables: Mapping[str, str]
    """Names by entity."""

    looks: Mapping[str, Mapping[str, Look]]
    """By entity and field."""

    extras: Mapping[str, Sequence[Look]]
    """Columns that have nothing to do with the business, by entity."""

    order: Mapping[str, Sequence[str]]
    """Names of columns in order, by entity."""

    def dressed(self, tables: Tables) -> dict[str, dict[str, Column]]:
        """Return tables as they are written, by name."""
        found: dict[str, dict[str, Column]] = {}
        for entity, looks in self.looks.items():
            rows = tables[entity]
            columns: dict[str, Column] = {
                look.name: (look.kind, look.written(rows[field])) for field, look in looks.items()
            }
            count = len(next(iter(rows.values())))
            for look in self.extras[entity]:
                columns[look.name] = (look.kind, look.written(np.arange(1, count + 1)))
            found[self.tables[entity]] = {name: columns[name] for name in self.order[entity]}
        return found


def draw_disguise(
    rng: np.random.Generator,
    entities: Sequence[str],
    *,
    digits: Mapping[str, bool],
    opaque: bool,
    prefixes: bool,
) -> Disguise:
    """Draw names and units.

    Args:
        rng: Everything is drawn from it.
        entities: Those that there are.
        digits: By domain, whether its codes are numbers.
        opaque: Whether names are numbers; otherwise two letters of the table's, and words without
            most of their vowels.
        prefixes: Whether identifiers are text that begins with a letter of their own.
    """
    numbers = _shuffled(rng, range(11, 100))
    prefixed = {
        entity: f"{''.join(_shuffled(rng, _CONSONANTS)[:2]).lower()}_" for entity in entities
    }
    letters = dict(zip(entities, _shuffled(rng, _CONSONANTS), strict=False))
    tables = {
        entity: f"T{number}" if opaque else f"{prefixed[entity]}{_squeezed(entity)}"
        for entity, number in zip(entities, numbers, strict=False)
    }
    looks: dict[str, dict[str, Look]] = {}
    extras: dict[str, list[Look]] = {}
    orders: dict[str, list[str]] = {}
    for entity in entities:
        looks[entity] = {}
        for field in ENTITIES[entity]:
            unit, kind, written = _look(rng, entity, field, digits=digits)
            if prefixes and field.role in ("identifier", "reference"):
                letter = letters[field.refers or entity]
                kind, written = "VARCHAR", _prefixed(letter)
            looks[entity][field.name] = Look(_squeezed(field.name), unit, kind, written)
        extras[entity] = _extras(rng, entity)
        columns = [*looks[entity].values(), *extras[entity]]
        names = {
            look.name: f"F{1 + index:02d}" if opaque else f"{prefixed[entity]}{look.name}"
            for index, look in enumerate(_shuffled(rng, columns))
        }
        looks[entity] = {key: _named(look, names) for key, look in looks[entity].items()}
        extras[entity] = [_named(look, names) for look in extras[entity]]
        orders[entity] = list(names.values())
    shuffled = _shuffled(rng, entities)
    return Disguise(
        tables=tables,
        looks={entity: looks[entity] for entity in shuffled},
        extras=extras,
        order=orders,
    )


def _shuffled(rng: np.random.Generator, items: Sequence[_T]) -> list[_T]:
    return [items[int(place)] for place in rng.permutation(len(items))]


def _look(
    rng: np.random.Generator, entity: str, field: Field, *, digits: Mapping[str, bool]
) -> tuple[str, str, Callable[[Array], Array]]:
    """Return unit, type and writing of a column."""
    if field.role == "time":
        return _shuffled(rng, _TIMES)[0]
    if field.role == "money":
        return _shuffled(rng, _MONEY)[0]
    if field.role == "mass":
        return _shuffled(rng, _MASS)[0]
    if field.role == "ratio":
        return _shuffled(rng, _RATIOS)[0]
    if field.role == "flag":
        return _shuffled(rng, _FLAGS)[0]
    if field.role in ("identifier", "reference", "line_number", "quantity"):
        return "none", "BIGINT", _same
    if field.role == "code" and entity != "code" and digits[field.refers]:
        return "none", "INTEGER", _same
    return "none", "VARCHAR", _same


def _extras(rng: np.random.Generator, entity: str) -> list[Look]:
    loaded = np.datetime64("2026-09-01T02:00:00") + rng.integers(0, 7200).astype("timedelta64[s]")
    found = [
        Look("ld_ts", "timestamp", "TIMESTAMP", lambda rows: np.full(len(rows), loaded)),
        Look("mndt", "none", "VARCHAR", lambda rows: np.full(len(rows), "100", dtype=object)),
        Look("rw_nr", "none", "BIGINT", _same),
    ]
    # A row counter is unique, too; others refer to these tables, which tells it from the key.
    choices = 3 if entity in ("customer", "product", "order") else 2
    return _shuffled(rng, found[:choices])[: int(rng.integers(1, 3))]


def _named(look: Look, names: Mapping[str, str]) -> Look:
    return Look(names[look.name], look.unit, look.kind, look.written)


def _squeezed(name: str) -> str:
    """Return a name without the vowels behind its first letters."""
    return "_".join(word[0] + re.sub("[aeiou]", "", word[1:]) for word in name.split("_"))


def _prefixed(letter: str) -> Callable[[Array], Array]:
    return lambda values: np.array([f"{letter}{value:07d}" for value in values], dtype=object)


def _same(values: Array) -> Array:
    return values


def _yes_or_no(values: Array) -> Array:
    return np.where(values, "Y", "N").astype(object)


def _whole(values: Array) -> Array:
    return values.astype(np.int64)


def _over(divisor: float) -> Callable[[Array], Array]:
    return lambda values: values / divisor


def _times(factor: int) -> Callable[[Array], Array]:
    return lambda values: values * factor


def _epoch(factor: int) -> Callable[[Array], Array]:
    """Write times as numbers; what is not known stays null."""

    def written(values: Array) -> Array:
        seconds = values.astype("datetime64[s]").astype(np.int64) * factor
        found = seconds.astype(object)
        found[np.isnat(values)] = None
        return found

    return written


def _text_time(values: Array) -> Array:
    texts = np.datetime_as_string(values, unit="s")
    return np.array([None if t == "NaT" else t.replace("T", " ") for t in texts], dtype=object)


_TIMES: Sequence[tuple[str, str, Callable[[Array], Array]]] = (
    ("timestamp", "TIMESTAMP", _same),
    ("epoch_second", "BIGINT", _epoch(1)),
    ("epoch_millisecond", "BIGINT", _epoch(1000)),
    ("text_time", "VARCHAR", _text_time),
)
_MONEY: Sequence[tuple[str, str, Callable[[Array], Array]]] = (
    ("eur", "DOUBLE", _over(100)),
    ("cent", "BIGINT", _same),
    ("mill", "BIGINT", _times(10)),
)
_MASS: Sequence[tuple[str, str, Callable[[Array], Array]]] = (
    ("gram", "BIGINT", _same),
    ("kilogram", "DOUBLE", _over(1000)),
)
_RATIOS: Sequence[tuple[str, str, Callable[[Array], Array]]] = (
    ("percent", "BIGINT", _same),
    ("fraction", "DOUBLE", _over(100)),
)
_FLAGS: Sequence[tuple[str, str, Callable[[Array], Array]]] = (
    ("none", "VARCHAR", _yes_or_no),
    ("none", "BIGINT", _whole),
)
