"""What people type on the Linux hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fleetgym_estate.telemetry import clock
from fleetgym_estate.telemetry.draw import indices
from fleetgym_estate.telemetry.linux_words import Step, linux_words

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Estate, Host, LinuxUser

__all__ = ["Session", "sessions"]

_LENGTH_H = 2

# People log in where things break, and through the bastions.
_ROLE_WEIGHT = {"bastion": 4, "ci": 2, "build": 2, "monitor": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One person on one host for up to two hours."""

    user: LinuxUser
    host: Host
    times: tuple[int, ...]
    """Of the commands, ascending, in microseconds since 1970."""

    steps: tuple[Step, ...]


def sessions(estate: Estate, rng: Generator, commands: int) -> list[Session]:
    """Return sessions with about ``commands`` commands, one at a time for a person on a host."""
    typed = linux_words().typed
    offsets = [estate.employee_by_upn[u.upn].place.utc_offset_h for u in estate.linux_users]
    weights = [_ROLE_WEIGHT.get(host.role, 1) for host in estate.hosts]
    hosts: list[int] = indices(rng, commands, weights).tolist()
    users: list[int] = rng.integers(0, len(estate.linux_users), commands).tolist()
    starts = clock.people(rng, estate, commands, np.array(offsets)[users])
    lengths: list[int] = rng.integers(3, 16, commands).tolist()
    found: list[Session] = []
    taken: set[tuple[int, int, int]] = set()
    made = 0
    for host, user, start, length in zip(hosts, users, starts.tolist(), lengths, strict=True):
        begun = start // (_LENGTH_H * clock.HOUR) * _LENGTH_H * clock.HOUR
        key = (host, user, begun)
        if made >= commands:
            break
        if key in taken or not _may(estate.linux_users[user], estate.hosts[host]):
            continue
        taken.add(key)
        made += length
        gaps = np.cumsum(rng.exponential(35.0, length) * clock.SECOND).astype(np.int64)
        chosen: list[int] = indices(rng, length, [weight for weight, _ in typed]).tolist()
        found.append(
            Session(
                user=estate.linux_users[user],
                host=estate.hosts[host],
                times=tuple((begun + int(rng.integers(0, clock.HOUR)) + gaps).tolist()),
                steps=tuple(typed[i][1] for i in chosen),
            )
        )
    return found


def _may(user: LinuxUser, host: Host) -> bool:
    """Say whether the person has business there: databases and mail are for administrators."""
    return user.administrator or host.role in {"web", "app", "ci", "build", "bastion", "files"}
