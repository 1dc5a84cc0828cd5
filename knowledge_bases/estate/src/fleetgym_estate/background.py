"""The ordinary life of the estate: all rows that no scenario planted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from fleetgym_estate.schema import TABLES, TIME_COLUMN
from fleetgym_estate.telemetry import clock
from fleetgym_estate.telemetry.activity import activity_rows
from fleetgym_estate.telemetry.aks import aks_table
from fleetgym_estate.telemetry.columns import constant
from fleetgym_estate.telemetry.diagnostics import diagnostics_rows
from fleetgym_estate.telemetry.directory import directory_rows
from fleetgym_estate.telemetry.graph import graph_calls
from fleetgym_estate.telemetry.links import link
from fleetgym_estate.telemetry.linux import linux_tables
from fleetgym_estate.telemetry.office import office_rows
from fleetgym_estate.telemetry.principals import principal_sign_ins
from fleetgym_estate.telemetry.signins import sign_ins
from fleetgym_estate.telemetry.storage import storage_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    from fleetgym_estate.estate import Estate
    from fleetgym_estate.telemetry.draw import Array

__all__ = ["background"]

_LINUX_SHARE = 36

_SHARES: dict[str, tuple[int, Callable[[Estate, Generator, int], dict[str, Array]]]] = {
    "AADServicePrincipalSignInLogs": (6, principal_sign_ins),
    "AKSAudit": (16, partial(aks_table, table="AKSAudit")),
    "AKSAuditAdmin": (6, partial(aks_table, table="AKSAuditAdmin")),
    "AuditLogs": (3, directory_rows),
    "AzureActivity": (6, activity_rows),
    "AzureDiagnostics": (4, diagnostics_rows),
    "MicrosoftGraphActivityLogs": (6, graph_calls),
    "OfficeActivity": (6, office_rows),
    "SignInLogs": (7, sign_ins),
    "StorageBlobLogs": (8, storage_rows),
}
"""Parts of 104 (with Linux) that a table gets, and what makes its rows."""


def background(estate: Estate, rng: Generator, rows: int = 24_000) -> dict[str, dict[str, Array]]:
    """Return at least ``rows`` rows over all twelve tables, columns as arrays, in order of time.

    Every table has a generator of its own, spawned from ``rng``, so that a change in one leaves the
    others as they are.
    """
    *spawned, links = rng.spawn(len(TABLES) + 1)
    streams = dict(zip(TABLES, spawned, strict=True))
    rows += rows // 100  # what runs beyond the end of the window is cut off
    total = _LINUX_SHARE + sum(share for share, _ in _SHARES.values())
    made = linux_tables(estate, streams["DeviceProcessEvents"], -(-rows * _LINUX_SHARE // total))
    for table, (share, make) in _SHARES.items():
        made[table] = make(estate, streams[table], -(-rows * share // total))
    link(links, made)
    return {table: _finish(estate, table, made[table]) for table in TABLES}


def _finish(estate: Estate, table: str, columns: dict[str, Array]) -> dict[str, Array]:
    """Return the rows of the window in order of time, columns in the schema's order."""
    times = columns[TIME_COLUMN[table]].astype(np.int64)
    order = np.argsort(times, kind="stable")
    begin = clock.begin(estate)
    order = order[(times[order] >= begin) & (times[order] < begin + 48 * clock.HOUR)]
    n = len(order)
    finished: dict[str, Array] = {}
    for column in TABLES[table]:
        values = columns.get(column.name)
        if values is None:
            finished[column.name] = constant(None, n)
        elif column.type == "TIMESTAMP":
            finished[column.name] = values[order].astype(np.int64).astype("datetime64[us]")
        else:
            finished[column.name] = values[order]
    return finished
