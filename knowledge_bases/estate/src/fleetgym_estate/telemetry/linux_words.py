"""What runs on the Linux hosts, read from ``linux.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fleetgym_estate.telemetry.data import read

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ACCOUNT_IDS", "Activity", "Step", "Touch", "Words", "linux_words"]

Touch = tuple[str, str, str | None]
"""Action, path and previous path of a file event."""

ACCOUNT_IDS: Mapping[str, int] = MappingProxyType(
    {
        "_apt": 100,
        "ansible": 998,
        "appsvc": 996,
        "builder": 1500,
        "gitlab-runner": 995,
        "jenkins": 994,
        "minio": 993,
        "node-exp": 992,
        "postfix": 105,
        "postgres": 107,
        "prometheus": 108,
        "redis": 109,
        "root": 0,
        "telegraf": 110,
        "www-data": 33,
    }
)
"""Numbers of the accounts that are the same on all hosts."""


@dataclass(frozen=True, slots=True)
class Step:
    """A process: path, account and command line, the last two with placeholders."""

    path: str
    account: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Something a daemon starts, again and again."""

    by: str
    account: str | None
    roles: frozenset[str] | None
    """None for all."""

    every_min: int
    """0 when it follows load, people or nothing."""

    at_min: int
    when: str
    share: float
    run: tuple[Step, ...]
    files: tuple[Touch, ...]
    """Action, path and previous path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """All of ``linux.yaml``."""

    daemons: Mapping[str, Step]
    """By file name."""

    command_of: Mapping[str, str]
    """Command lines of the daemons by path."""

    activities: tuple[Activity, ...]
    typed: tuple[tuple[float, Step], ...]
    """Weight and command; the account is left empty."""

    touched: Mapping[str, tuple[Touch, ...]]
    path_of: Mapping[str, str]
    """Paths of all programs by file name."""


@cache
def linux_words() -> Words:
    """Return the words, read once a process."""
    data = read("linux.yaml")
    daemons = {name: Step(*row) for name, row in data["daemons"].items()}
    activities = tuple(map(_activity, data["activities"]))
    typed = tuple((weight, Step(path, "", command)) for weight, path, command in data["typed"])
    programs = [*daemons.values(), *(step for a in activities for step in a.run)]
    programs += [step for _, step in typed]
    return Words(
        daemons=daemons,
        command_of={step.path: step.command for step in daemons.values()},
        activities=activities,
        typed=typed,
        touched={name: _files(rows) for name, rows in data["touched"].items()},
        path_of={step.path.rpartition("/")[2]: step.path for step in programs},
    )


def _activity(row: dict[str, Any]) -> Activity:
    roles = row["roles"]
    return Activity(
        by=row["by"],
        account=row.get("account"),
        roles=None if roles == "all" else frozenset(roles),
        every_min=row.get("every", 0),
        at_min=row.get("at", 0),
        when=row.get("when", ""),
        share=row.get("share", 0.0),
        run=tuple(Step(*step) for step in row["run"]),
        files=_files(row.get("files", ())),
    )


def _files(rows: Any) -> tuple[Touch, ...]:
    return tuple((row[0], row[1], row[2] if len(row) > 2 else None) for row in rows)
