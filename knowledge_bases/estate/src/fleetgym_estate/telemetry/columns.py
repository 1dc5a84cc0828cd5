"""Columns in the making: arrays by name, all of one length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fleetgym_estate.telemetry.draw import each, objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fleetgym_estate.telemetry.draw import Array

__all__ = ["constant", "put", "put_each"]


def put(columns: dict[str, Array], name: str, values: Array) -> None:
    """Set column ``name`` to ``values``, save where it has a value already."""
    if name in columns:
        put_each(columns, name, _itself, values)
    else:
        columns[name] = values


def put_each(
    columns: dict[str, Array], name: str, function: Callable[..., Any], *sources: Iterable[Any]
) -> None:
    """Set column ``name`` to ``function`` of each row of ``sources``, save where it has a value."""
    given = columns.get(name)
    if given is None:
        columns[name] = each(function, *sources)
    elif None in given.tolist():
        columns[name] = objects(
            function(*row) if value is None else value
            for value, row in zip(given, zip(*sources, strict=True), strict=True)
        )


def _itself(value: object) -> object:
    return value


def constant(value: object, n: int) -> Array:
    """Return a column of one value."""
    column = np.empty(n, dtype=object)
    column.fill(value)
    return column
