"""Completing a planted row so that it looks as background rows do.

The same functions fill both: what a planted row leaves open is filled by the code that fills the
background's rows by the thousand.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fleetgym.contracts.errors import SpecError
from fleetgym_estate.schema import TABLES, TIME_COLUMN
from fleetgym_estate.telemetry import clock
from fleetgym_estate.telemetry.activity import fill_activity
from fleetgym_estate.telemetry.aks_given import aks_given
from fleetgym_estate.telemetry.diagnostics import fill_diagnostics
from fleetgym_estate.telemetry.directory import (
    acting,
    details,
    fill_directory,
    initiator,
    name_of,
)
from fleetgym_estate.telemetry.draw import Array, compact, objects
from fleetgym_estate.telemetry.graph import fill_graph
from fleetgym_estate.telemetry.linux_fill import fill_files, fill_processes
from fleetgym_estate.telemetry.linux_given import file_defaults, process_defaults
from fleetgym_estate.telemetry.office import fill_office
from fleetgym_estate.telemetry.principals import fill_principals
from fleetgym_estate.telemetry.signins import fill_sign_ins
from fleetgym_estate.telemetry.storage_fill import fill_storage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.random import Generator

    from fleetgym_estate.estate import Estate

__all__ = ["complete"]

# Columns of AzureActivity that hold the same as text and as an object.
_TWINS = (
    ("Authorization", "Authorization_d"),
    ("Claims", "Claims_d"),
    ("Properties", "Properties_d"),
)
_WHOLE_SECONDS = frozenset({"OfficeActivity"})


def complete(
    estate: Estate, rng: Generator, table: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a full row of ``table``: ``values`` kept, every other column filled plausibly.

    What is filled follows from what is given: the device id from the device name, the user's id
    from the user's name. Objects given for JSON columns may be partial: keys that are missing are
    filled as well. A time without digits below the second gets those that the table records.

    Args:
        estate: Where the row happens.
        rng: Decides what is left open.
        table: One of :data:`~fleetgym_estate.schema.TABLES`.
        values: Column to value; times are datetimes in UTC, with a time zone or without.

    Returns:
        All columns in the schema's order; times are datetimes in UTC without a time zone, dynamic
        values are JSON.

    Raises:
        SpecError: There is no such table, column, device or cluster.
    """
    given = _given(estate, rng, table, values)
    made = _FILL[table](estate, rng, given)
    return {
        column.name: _value(column.type, given.get(column.name), made.get(column.name))
        if given.get(column.name) is not None or column.name not in given
        else None
        for column in TABLES[table]
    }


def _given(estate: Estate, rng: Generator, table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` with times in microseconds, that of the row among them."""
    if table not in TABLES:
        raise SpecError(f"There is no table {table!r}. The tables are {', '.join(TABLES)}.")
    types = {column.name: column.type for column in TABLES[table]}
    unknown = sorted(set(values) - set(types))
    if unknown:
        raise SpecError(f"{table} has no column {unknown[0]!r}. It has {', '.join(types)}.")
    for name, twin in _TWINS if table == "AzureActivity" else ():
        if (name in values) != (twin in values):
            values = {name: values.get(twin), twin: values.get(name), **values}
    given: dict[str, Any] = {
        name: _microseconds(value) if types[name] == "TIMESTAMP" and value is not None else value
        for name, value in values.items()
    }
    time = given.setdefault(TIME_COLUMN[table], int(clock.flat(rng, estate, 1)[0]))
    if table not in _WHOLE_SECONDS and time % clock.SECOND == 0:
        given[TIME_COLUMN[table]] = time + int(rng.integers(1000, clock.SECOND))
    return given


def _microseconds(time: datetime) -> int:
    naive = time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    return int(np.datetime64(naive, "us").astype(np.int64))


def _value(kind: str, given: object, made: Array | None) -> object:
    """Return a value as it is written, from what is given and what was filled."""
    filled: object = None if made is None else made.tolist()[0]
    value = filled if given is None else given
    if isinstance(value, dict) and isinstance(filled, str):
        return compact(_merged(json.loads(filled), cast("dict[str, Any]", value)))
    if kind == "TIMESTAMP" and isinstance(value, int):
        return np.datetime64(value, "us").item()
    return _text(cast("object", value))


def _text(value: object) -> object:
    """Return objects and arrays as JSON, everything else as it is."""
    if not isinstance(value, dict | list | tuple):
        return value
    return compact(cast("object", value))


def _merged(base: Any, over: dict[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the keys of ``over`` put over it, at every depth."""
    if not isinstance(base, dict):
        return over
    merged = dict(cast("dict[str, Any]", base))
    for key, value in over.items():
        if isinstance(value, dict):
            merged[key] = _merged(merged.get(key), cast("dict[str, Any]", value))
        else:
            merged[key] = value
    return merged


_Columns = dict[str, Array]


def _plain(
    fill: Callable[[Estate, Generator, _Columns], None],
    estate: Estate,
    rng: Generator,
    given: Mapping[str, Any],
) -> _Columns:
    """Fill one row by the function that fills the background's.

    Objects are left out, to be filled as if nothing was known and to be put over that.
    """
    columns = {
        name: _column(value)
        for name, value in given.items()
        if value is not None and not isinstance(value, dict)
    }
    fill(estate, rng, columns)
    return columns


def _linux(
    defaults: Callable[[Estate, Generator, Mapping[str, Any]], dict[str, Any]],
    fill: Callable[[Estate, Generator, _Columns], None],
    estate: Estate,
    rng: Generator,
    given: Mapping[str, Any],
) -> _Columns:
    known = {name: value for name, value in given.items() if value is not None}
    return _plain(fill, estate, rng, defaults(estate, rng, given) | known)


def _directory(estate: Estate, rng: Generator, given: Mapping[str, Any]) -> _Columns:
    """Fill a row of AuditLogs, whose other columns follow from who is said to have acted."""
    columns = dict(given)
    actor = acting(estate, given.get("InitiatedBy"))
    if actor:
        columns["InitiatedBy"] = initiator(actor)
        columns.setdefault("Identity", name_of(actor))
        columns.setdefault("AdditionalDetails", details(actor))
    return _plain(fill_directory, estate, rng, columns)


def _column(value: Any) -> Array:
    """Return a column of one row; objects as the JSON that other columns are derived from."""
    if isinstance(value, int) and not isinstance(value, bool):
        return np.array([value], dtype=np.int64)
    return objects([_text(value)])


_FILL: dict[str, Callable[[Estate, Generator, Mapping[str, Any]], _Columns]] = {
    "AADServicePrincipalSignInLogs": partial(_plain, fill_principals),
    "AKSAudit": lambda estate, rng, given: aks_given(estate, rng, "AKSAudit", given),
    "AKSAuditAdmin": lambda estate, rng, given: aks_given(estate, rng, "AKSAuditAdmin", given),
    "AuditLogs": _directory,
    "AzureActivity": partial(_plain, fill_activity),
    "AzureDiagnostics": partial(_plain, fill_diagnostics),
    "DeviceFileEvents": partial(_linux, file_defaults, fill_files),
    "DeviceProcessEvents": partial(_linux, process_defaults, fill_processes),
    "MicrosoftGraphActivityLogs": partial(_plain, fill_graph),
    "OfficeActivity": partial(_plain, fill_office),
    "SignInLogs": partial(_plain, fill_sign_ins),
    "StorageBlobLogs": partial(_plain, fill_storage),
}
