"""Writing the telemetry of one instance into a DuckDB file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Planted", "write"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A row put among the background on purpose."""

    table: str
    values: Mapping[str, Any]
    """As :func:`~fleetgym_env_cti_realm.rows.complete` returns it: all columns."""

    attack: bool
    """Part of the intrusion; otherwise a benign look-alike."""


def write(
    path: Path, background: Mapping[str, Mapping[str, Any]], planted: Sequence[Planted]
) -> dict[str, tuple[int, ...]]:
    """Write all tables, rows in order of time, and return the row ids of the attack by table."""
    raise NotImplementedError
