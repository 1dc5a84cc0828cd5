"""Drawing one or some of a list, and public addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

__all__ = ["azure_ip", "one", "public_ip", "some"]

T = TypeVar("T")

_ACCESS_NETWORKS = (31, 37, 46, 62, 77, 78, 79, 80, 82, 84, 85, 87, 88, 89, 91, 93, 94, 95, 109)
_AZURE_NETWORKS = ((20, 33, 248), (40, 64, 127), (51, 10, 145), (52, 136, 191))


def one(rng: Generator, options: Sequence[T]) -> T:
    """Return one of ``options``."""
    return options[int(rng.integers(0, len(options)))]


def some(rng: Generator, options: Sequence[T], n: int) -> list[T]:
    """Return ``n`` different ones of ``options``, in random order."""
    return [options[int(i)] for i in rng.permutation(len(options))[:n]]


def public_ip(rng: Generator) -> str:
    """Return an address of a network that people use from offices and homes."""
    return (
        f"{one(rng, _ACCESS_NETWORKS)}.{rng.integers(1, 250)}.{rng.integers(0, 255)}"
        f".{rng.integers(2, 254)}"
    )


def azure_ip(rng: Generator) -> str:
    """Return an address of the networks that Azure's services use."""
    first, low, high = one(rng, _AZURE_NETWORKS)
    return f"{first}.{rng.integers(low, high)}.{rng.integers(0, 255)}.{rng.integers(2, 254)}"
