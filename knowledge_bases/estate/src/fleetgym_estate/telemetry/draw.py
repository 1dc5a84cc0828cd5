"""Drawing many values at once, the same ones in every process.

Only NumPy's generator and digests are used: Python's own ``hash`` and the order of sets differ
between processes.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.random import Generator

__all__ = [
    "Array",
    "compact",
    "each",
    "guid",
    "guids",
    "hexes",
    "indices",
    "name_guid",
    "objects",
    "pick",
    "stable",
]

Array = npt.NDArray[Any]


def objects(values: Iterable[Any]) -> Array:
    """Return ``values`` as an array of objects, one a row, whatever they are."""
    items = list(values)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def indices(rng: Generator, n: int, weights: Sequence[float]) -> Array:
    """Return ``n`` indices drawn by weight."""
    edges = np.cumsum(np.asarray(weights, dtype=float))
    return cast("Array", np.searchsorted(edges, rng.random(n) * edges[-1], side="right"))


def pick(
    rng: Generator, options: Sequence[Any], n: int, weights: Sequence[float] | None = None
) -> Array:
    """Return ``n`` of ``options`` with replacement, by weight if there are weights."""
    chosen = rng.integers(0, len(options), n) if weights is None else indices(rng, n, weights)
    return objects(options)[chosen]


def each(function: Callable[..., Any], *columns: Iterable[Any]) -> Array:
    """Return ``function`` of each row of ``columns``."""
    return objects(map(function, *columns))


def hexes(rng: Generator, n: int, digits: int) -> Array:
    """Return ``n`` random hexadecimal strings of ``digits`` (an even number)."""
    text = rng.bytes(n * digits // 2).hex()
    return objects(text[i : i + digits] for i in range(0, n * digits, digits))


def guids(rng: Generator, n: int) -> Array:
    """Return ``n`` random GUIDs of version 4."""
    raw = rng.integers(0, 256, (n, 16), dtype=np.uint8)
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    h = raw.tobytes().hex()
    return objects(
        f"{h[i : i + 8]}-{h[i + 8 : i + 12]}-{h[i + 12 : i + 16]}-{h[i + 16 : i + 20]}"
        f"-{h[i + 20 : i + 32]}"
        for i in range(0, 32 * n, 32)
    )


def guid(rng: Generator) -> str:
    """Return one random GUID."""
    return _version_4(rng.bytes(16).hex())


def _version_4(digits: str) -> str:
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


@lru_cache(maxsize=65_536)
def stable(*parts: object) -> int:
    """Return 64 bits that depend on ``parts`` alone."""
    text = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


@lru_cache(maxsize=65_536)
def name_guid(*parts: object) -> str:
    """Return the GUID that belongs to ``parts``."""
    text = "\x1f".join(map(str, parts)).encode()
    return _version_4(hashlib.blake2b(text, digest_size=16).hexdigest())


def compact(value: object) -> str:
    """Return JSON as every dynamic column holds it: no blanks, keys sorted."""
    return _ENCODER.encode(value)


# `json.dumps` makes an encoder for each call that is not its default: twice the time.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)
