"""Working out what columns are for: by their values, and by how tables hang together."""

# ruff: noqa: S608 - an analyst's queries

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fleetgym.contracts.errors import PlanLost
from fleetgym_env_data_exploration.expert.tables import query, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fleetgym.contracts.policy import Moves
    from fleetgym_env_data_exploration.expert.tables import Column, Table

__all__ = ["read_tables"]

_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_SECONDS = 1_400_000_000, 2_200_000_000
_NUMBERS = ("BIGINT", "DOUBLE")
_MANY = 100


def read_tables(tables: Mapping[str, Table]) -> Moves[None]:
    """Say of each column what it is for, and of each table what a row of it is."""
    for table in tables.values():
        for column in table.columns:
            column.role, column.unit = _by_itself(column)
    yield from _relate(tables)
    for table in tables.values():
        yield from _find_key(table)
    _name_entities(tables)
    yield from _read_numbers(tables)
    yield from _read_codes(tables)


def _by_itself(column: Column) -> tuple[str, str]:
    """Return role and unit as far as a profile alone tells; no role where it does not."""
    if column.distinct == 1:
        return "technical", "timestamp" if column.type == "TIMESTAMP" else "none"
    if column.counts:
        return "technical", "none"
    match column.type:
        case "TIMESTAMP":
            return "time", "timestamp"
        case "INTEGER":
            return "code", "none"
        case "VARCHAR":
            return _text(column), "text_time" if _TIME.fullmatch(str(column.least)) else "none"
        case "DOUBLE":
            shares = column.least == 0 and column.most < 1
            return ("ratio", "fraction") if shares else ("", "none")
        case _:
            return _whole(column)


def _whole(column: Column) -> tuple[str, str]:
    least, most = column.least, column.most
    for unit, factor in (("epoch_second", 1), ("epoch_millisecond", 1000)):
        if _SECONDS[0] * factor < least and most < _SECONDS[1] * factor:
            return "time", unit
    if (least, most) == (0, 1):
        return "flag", "none"
    if least == 0 and most <= 100:
        return "ratio", "percent"
    return ("identifier" if column.numbered else ""), "none"


def _text(column: Column) -> str:
    least, most = str(column.least), str(column.most)
    if _TIME.fullmatch(least):
        return "time"
    if column.nulls > column.rows / 2:
        return "text"
    if (least, most) == ("N", "Y") and column.distinct == 2:
        return "flag"
    if column.lettered:
        return "identifier" if column.unique else ""
    return "name" if " " in least and " " in most else "code"


def _relate(tables: Mapping[str, Table]) -> Moves[None]:
    """Find for each column that could be a reference the smallest identifier that holds it."""
    every = [column for table in tables.values() for column in table.columns]
    keys = [column for column in every if column.role == "identifier"]
    open_ones = [
        c for c in every if c.type in ("BIGINT", "VARCHAR") and c.role in ("", "identifier")
    ]
    pairs = [
        (child, key)
        for child in open_ones
        for key in keys
        if child.table != key.table
        and child.type == key.type
        and key.least <= child.least
        and child.most <= key.most
    ]
    if not pairs:
        return
    parts = [
        f"SELECT '{child.place}' AS child, '{key.place}' AS key, count(*) AS missing "
        f"FROM {quoted(child.table)} WHERE {quoted(child.name)} IS NOT NULL AND "
        f"{quoted(child.name)} NOT IN (SELECT {quoted(key.name)} FROM {quoted(key.table)})"
        for child, key in pairs
    ]
    missing: dict[tuple[str, str], int] = {}
    for start in range(0, len(parts), 40):
        for row in (yield from query(" UNION ALL ".join(parts[start : start + 40]))):
            missing[str(row["child"]), str(row["key"])] = row["missing"]
    for child in open_ones:
        holding = [
            key for one, key in pairs if one is child and missing[child.place, key.place] == 0
        ]
        if holding:
            child.role, child.refers = "reference", min(holding, key=lambda key: key.distinct)


def _find_key(table: Table) -> Moves[None]:
    """Take the identifier, or the pair of columns that no two rows share."""
    own = table.of("identifier")
    if own:
        table.key = own[:1]
        return
    candidates = [
        c
        for c in table.columns
        if c.role in ("reference", "code", "") and c.type != "DOUBLE" and c.distinct > 1
    ]
    pairs = [(a, b) for index, a in enumerate(candidates) for b in candidates[index + 1 :]]
    if not pairs:
        raise PlanLost(f"No columns name the rows of {table.name}.")
    counted = ", ".join(
        f"count(DISTINCT ({quoted(a.name)}, {quoted(b.name)})) AS p{index}"
        for index, (a, b) in enumerate(pairs)
    )
    found = yield from query(f"SELECT count(*) AS n, {counted} FROM {quoted(table.name)}")
    unique = [pair for index, pair in enumerate(pairs) if found[0][f"p{index}"] == found[0]["n"]]
    table.key = list(min(unique, key=lambda pair: sum(c.distinct for c in pair)))


def _name_entities(tables: Mapping[str, Table]) -> None:
    """Name tables by how they refer to each other."""
    paired = [table for table in tables.values() if len(table.key) == 2]
    lines = next(table for table in paired if table.parents)
    lines.entity = "order_line"
    next(table for table in paired if not table.parents).entity = "code"
    for name in lines.parents:
        tables[name].entity = "order" if tables[name].parents else "product"
    order = next(table for table in tables.values() if table.entity == "order")
    tables[order.parents[0]].entity = "customer"
    for table in tables.values():
        if not table.entity and table.parents == [order.name]:
            table.entity = "payment"
        elif not table.entity and order.name in table.parents:
            table.entity = "shipment"
            other = next(name for name in table.parents if name != order.name)
            tables[other].entity = "carrier"


def _read_numbers(tables: Mapping[str, Table]) -> Moves[None]:
    """Tell prices, masses, quantities and line numbers apart, and in what they are counted."""
    for table in tables.values():
        left = [c for c in table.columns if not c.role and c.type in _NUMBERS]
        if table.entity == "product":
            yield from _tell_prices(table, left)
        for column in left:
            column.role = column.role or _number(table, column)
    every = [column for table in tables.values() for column in table.columns]
    for column in every:
        if column.role == "mass":
            column.unit = "kilogram" if column.type == "DOUBLE" else "gram"
        elif column.role == "money":
            column.unit = "eur" if column.type == "DOUBLE" else "cent"
    yield from _find_mills([c for c in every if c.unit == "cent"])


def _number(table: Table, column: Column) -> str:
    """Return what a number is for, in a table that is no product's."""
    if column in table.key:
        return "line_number"
    if table.entity == "order_line" and column.type == "BIGINT" and column.most < _MANY:
        return "quantity"
    return "mass" if table.entity == "shipment" else "money"


def _find_mills(columns: Sequence[Column]) -> Moves[None]:
    """Find amounts that are thousandths: prices end in 9 or 5, so tens are never cents."""
    if not columns:
        return
    tens = ", ".join(
        f"(SELECT bool_and({quoted(c.name)} % 10 = 0) FROM {quoted(c.table)}) AS c{index}"
        for index, c in enumerate(columns)
    )
    row = (yield from query(f"SELECT {tens}"))[0]
    for index, column in enumerate(columns):
        if row[f"c{index}"]:
            column.unit = "mill"


def _tell_prices(table: Table, columns: Iterable[Column]) -> Moves[None]:
    """Take the column for a price whose values end as prices do: in 99, 95 or 49."""
    columns = list(columns)
    endings = ", ".join(
        f"avg(CASE WHEN {hundredths} % 100 IN (99, 95, 49) THEN 1 ELSE 0 END) AS e{index}_{way}"
        for index, column in enumerate(columns)
        for way, hundredths in enumerate(_hundredths(column))
    )
    row = (yield from query(f"SELECT {endings} FROM {quoted(table.name)}"))[0]

    def likely(index: int) -> float:
        return max(value for name, value in row.items() if name.startswith(f"e{index}_"))

    price = max(range(len(columns)), key=likely)
    for index, column in enumerate(columns):
        column.role = "money" if index == price else "mass"


def _hundredths(column: Column) -> tuple[str, ...]:
    """Return a column as hundredths, whichever it may be counted in."""
    name = quoted(column.name)
    if column.type == "DOUBLE":
        return (f"CAST(round({name} * 100) AS BIGINT)",)
    return (name, f"(CASE WHEN {name} % 10 = 0 THEN {name} // 10 ELSE 0 END)")


def _read_codes(tables: Mapping[str, Table]) -> Moves[None]:
    """Tell the columns of the table of codes apart, and find the domain of each code."""
    codes = next(table for table in tables.values() if table.entity == "code")
    domain, code = sorted(codes.key, key=lambda column: column.distinct)
    domain.role, code.role = "domain", "code"
    label = next(c for c in codes.of("code") if c is not code)
    label.role = "label"
    columns = [c for t in tables.values() if t is not codes for c in t.of("code")]
    parts = [
        f"SELECT '{c.place}' AS place, d.domain, any_value(d.size) AS size, "
        f"count(*) FILTER (WHERE k.code IS NULL) AS missing "
        f"FROM (SELECT DISTINCT CAST({quoted(c.name)} AS VARCHAR) AS v FROM {quoted(c.table)}) "
        f"CROSS JOIN (SELECT {quoted(domain.name)} AS domain, count(*) AS size "
        f"FROM {quoted(codes.name)} GROUP BY 1) d "
        f"LEFT JOIN (SELECT {quoted(domain.name)} AS domain, {quoted(code.name)} AS code "
        f"FROM {quoted(codes.name)}) k ON k.domain = d.domain AND k.code = v GROUP BY d.domain"
        for c in columns
    ]
    rows = yield from query(" UNION ALL ".join(parts))
    for column in columns:
        fitting = [r for r in rows if r["place"] == column.place and r["missing"] == 0]
        if fitting:
            column.domain = str(min(fitting, key=lambda r: r["size"])["domain"])
