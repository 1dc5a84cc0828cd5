"""When faults happen: the same for the same seed, whatever an agent does meanwhile."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Generic, TypeVar

from fleetgym.conditions.clean import generator
from fleetgym.contracts.faults import Fault

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

__all__ = ["Schedule"]

_Fault = TypeVar("_Fault", bound=Fault)


class Schedule(Generic[_Fault]):
    """Says of one request or call after the other which fault befalls it.

    Shares are drawn for the n-th of a name (a tool, an agent) from the seed, the name and n alone,
    so that two agents that make the same calls meet the same faults, in whatever order they make
    them.
    """

    def __init__(self, faults: Sequence[_Fault], name: str, seed: int) -> None:
        """Begin a run.

        Args:
            faults: In the order in which they are tried.
            name: Of the condition and the scenario.
            seed: The run's.
        """
        self._faults = faults
        self._name = name
        self._seed = seed
        self._fitting = Counter[int]()
        self._seen = Counter[str]()

    def next(
        self, name: str, fits: Callable[[_Fault], bool] = lambda _: True
    ) -> tuple[_Fault | None, random.Random]:
        """Return the fault of the next one, or None, and what else is drawn about it.

        Args:
            name: What it is one of.
            fits: Whether a fault can befall it.
        """
        draw = generator(self._name, self._seed, name, self._seen[name])
        self._seen[name] += 1
        hit: _Fault | None = None
        possible: list[_Fault] = []
        for index, fault in enumerate(self._faults):
            if fits(fault):
                self._fitting[index] += 1
                if fault.share:
                    possible.append(fault)
                elif hit is None and fault.hits(self._fitting[index]):
                    hit = fault
        rest = 1 - sum(fault.share for fault in possible)
        drawn = draw.choices((None, *possible), (rest, *(fault.share for fault in possible)))[0]
        return hit or drawn, draw

    def seen(self, name: str) -> int:
        """Return how many of a name there were."""
        return self._seen[name]
