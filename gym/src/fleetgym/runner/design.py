"""Which combinations of a suite's factors are run: its matrix, less what it leaves out."""

from __future__ import annotations

import fnmatch
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fleetgym.contracts.errors import SpecError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fleetgym.runner.suite import Exclusion, Suite

__all__ = ["MAX_RUNS", "Arm", "Block", "Cell", "Factors", "Pair", "cells", "pairs"]

MAX_RUNS = 100_000
"""Of one suite."""


class Arm(NamedTuple):
    """What is compared."""

    framework: str
    topology: str


class Block(NamedTuple):
    """What two arms have to have in common for their runs to be a pair."""

    scenario: str
    condition: str
    model: str
    seed: int


class Cell(NamedTuple):
    """One run of the design."""

    arm: Arm
    block: Block


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """A suite's choices, patterns replaced by the names they fit."""

    arms: Sequence[Arm]
    scenarios: Sequence[str]
    conditions: Sequence[str]
    models: Sequence[str]
    seeds: Sequence[int]

    def names(self) -> Mapping[str, Sequence[str]]:
        """Return the choices by the field of a suite that they come from; no seeds."""
        return {
            "frameworks": list(dict.fromkeys(arm.framework for arm in self.arms)),
            "topologies": list(dict.fromkeys(arm.topology for arm in self.arms)),
            "scenarios": self.scenarios,
            "conditions": self.conditions,
            "models": self.models,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """How the runs of two arms pair up."""

    one: Arm
    other: Arm
    paired: int
    """Blocks that both have."""

    alone: int
    """Blocks that only one of them has: no part of a paired comparison."""


def cells(suite: Suite, factors: Factors) -> list[Cell]:
    """Return the runs of the design; arms vary fastest.

    A factor that the suite spreads has one value for each (scenario, seed), the next one with the
    next seed and the next scenario, so that all values are met equally often and by all arms alike.

    Raises:
        SpecError: They are too many, or an exclusion leaves nothing out.
        UnknownName: An exclusion names what the suite does not choose.
    """
    _check_size(suite, factors)
    exclusions = [
        _Exclusion.of(exclusion, number, factors)
        for number, exclusion in enumerate(suite.exclude, start=1)
    ]
    kept: list[Cell] = []
    used: set[_Exclusion] = set()
    for block in _blocks(suite, factors):
        for arm in factors.arms:
            cell = Cell(arm, block)
            fitting = [exclusion for exclusion in exclusions if exclusion.fits(cell)]
            used.update(fitting)
            if not fitting:
                kept.append(cell)
    for exclusion in exclusions:
        if exclusion not in used:
            raise SpecError(
                f"Suite {suite.name!r}: entry {exclusion.number} of `exclude` leaves out nothing: "
                "no run fits all that it names. Take it away, or mend it."
            )
    if exclusions and not kept:
        raise SpecError(f"Suite {suite.name!r}: `exclude` leaves nothing to run.")
    return kept


def pairs(kept: Sequence[Cell], arms: Sequence[Arm]) -> list[Pair]:
    """Return how each two arms pair up, in the order of the arms."""
    blocks: dict[Arm, set[Block]] = {arm: set() for arm in arms}
    for cell in kept:
        blocks[cell.arm].add(cell.block)
    return [
        Pair(
            one=one,
            other=other,
            paired=len(blocks[one] & blocks[other]),
            alone=len(blocks[one] ^ blocks[other]),
        )
        for one, other in itertools.combinations(blocks, 2)
    ]


def _check_size(suite: Suite, factors: Factors) -> None:
    sizes = {
        "frameworks and topologies": len(factors.arms),
        "scenarios": len(factors.scenarios),
        "conditions": 1 if "conditions" in suite.spread else len(factors.conditions),
        "models": 1 if "models" in suite.spread else len(factors.models),
        "seeds": len(factors.seeds),
    }
    total = 1
    for size in sizes.values():
        total *= size
    if total > MAX_RUNS:
        said = " x ".join(f"{size:,} {name}" for name, size in sizes.items())
        raise SpecError(
            f"Suite {suite.name!r} comes to {total:,} runs ({said}), and {MAX_RUNS:,} is the most. "
            "Choose fewer, spread a factor, or split the suite."
        )


def _blocks(suite: Suite, factors: Factors) -> Iterator[Block]:
    for (s, scenario), (k, seed) in itertools.product(
        enumerate(factors.scenarios), enumerate(factors.seeds)
    ):
        conditions, models = factors.conditions, factors.models
        if "conditions" in suite.spread:
            conditions = [conditions[(s + k) % len(conditions)]]
        if "models" in suite.spread:
            # Steps on when the conditions have come round, so that each value meets each.
            turn = (s + k) // len(factors.conditions) if "conditions" in suite.spread else s + k
            models = [models[turn % len(models)]]
        for condition, model in itertools.product(conditions, models):
            yield Block(scenario, condition, model, seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exclusion:
    """An entry of ``exclude``: what it names, by field; a field that it leaves out fits all."""

    number: int
    names: tuple[tuple[str, frozenset[str]], ...]
    seeds: frozenset[int]

    @classmethod
    def of(cls, said: Exclusion, number: int, factors: Factors) -> _Exclusion:
        found: list[tuple[str, frozenset[str]]] = []
        for field, known in factors.names().items():
            patterns: list[str] = getattr(said, field)
            if patterns:
                found.append((field, frozenset(_fitting(field, patterns, known))))
        for seed in said.seeds:
            if seed not in factors.seeds:
                raise UnknownName("seed of `exclude`", str(seed), map(str, factors.seeds))
        return cls(number=number, names=tuple(found), seeds=frozenset(said.seeds))

    def fits(self, cell: Cell) -> bool:
        arm, block = cell
        value = {
            "frameworks": arm.framework,
            "topologies": arm.topology,
            "scenarios": block.scenario,
            "conditions": block.condition,
            "models": block.model,
        }
        return (not self.seeds or block.seed in self.seeds) and all(
            value[field] in names for field, names in self.names
        )


def _fitting(field: str, patterns: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    for pattern in patterns:
        matching = fnmatch.filter(known, pattern)
        if not matching:
            raise UnknownName(f"entry of `{field}` for `exclude`", pattern, known)
        yield from matching
