"""Putting values of an estate into the placeholders of ``linux.yaml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym_estate.telemetry.draw import Array, hexes, pick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from fleetgym_estate.estate import Estate, Host

__all__ = ["Cast", "casts", "products_of"]

Cast = dict[str, str]
"""Value of each placeholder."""


def products_of(estate: Estate) -> tuple[str, ...]:
    """Return the products whose services run on the hosts, those of the clusters first."""
    words = [w.name.rpartition("-")[0] for cluster in estate.clusters for w in cluster.workloads]
    return tuple(dict.fromkeys(words))


def casts(estate: Estate, rng: Generator, hosts: Sequence[Host], times: Array) -> list[Cast]:
    """Return one cast for each of ``hosts`` at each of ``times``.

    A host has two or three products of its own, so that its paths recur.
    """
    n = len(hosts)
    products = products_of(estate)
    shift = rng.integers(0, 3, (2, n)).tolist()
    number = {host.name: index for index, host in enumerate(estate.hosts)}
    peers = pick(rng, estate.hosts, n)
    users = pick(rng, [user.name for user in estate.linux_users], n)
    numbers = [rng.integers(low, high, n).tolist() for low, high in _RANGES]
    codes = hexes(rng, n, 8)
    days = times.astype("datetime64[us]").astype("datetime64[D]").astype(str)
    return [
        {
            "n": str(numbers[0][i]),
            "m": str(numbers[1][i]),
            "h": codes[i],
            "p": products[(number[host.name] * 2 + shift[0][i]) % len(products)],
            "q": products[(number[host.name] * 3 + 5 + shift[1][i]) % len(products)],
            "u": users[i],
            "peer": peers[i].name.partition(".")[0],
            "ip": peers[i].ip,
            "date": days[i],
            "dom": estate.domain,
            "acct": host.service_account,
            "o": f"{numbers[2][i]}.{numbers[3][i]}.{numbers[4][i]}",
        }
        for i, host in enumerate(hosts)
    ]


_RANGES = ((10, 100), (1024, 10_000), (1, 6), (0, 30), (0, 15))
