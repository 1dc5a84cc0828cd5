"""The numbers of a platform's rules, drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym_cluster.releases.book import Prices, Rules, Tier

if TYPE_CHECKING:
    from random import Random

__all__ = ["draw_prices", "draw_rules"]


def draw_rules(rng: Random) -> Rules:
    """Return rules under which every drawn service can be released."""
    first_hour = rng.choice((8, 9, 10))
    return Rules(
        weekdays=list(range(rng.choice((4, 5)))),
        first_hour=first_hour,
        last_hour=first_hour + rng.choice((6, 7)),
        end_hour=first_hour + 8,
        tiers={
            1: Tier(first_percent=10, growth=3, stages=4, soak_min=rng.choice((60, 90))),
            2: Tier(first_percent=20, growth=4, stages=3, soak_min=rng.choice((40, 60))),
            3: Tier(first_percent=50, growth=5, stages=2, soak_min=30),
        },
        utilization=rng.choice((0.7, 0.75, 0.8)),
        memory_factor=rng.choice((1.15, 1.2, 1.25)),
        limit_factor=rng.choice((1.5, 2.0)),
        canary_share=rng.choice((0.1, 0.15, 0.2)),
    )


def draw_prices(rng: Random) -> Prices:
    """Return prices a little apart from what is usual in clouds."""
    return Prices(cpu=round(rng.uniform(0.02, 0.04), 4), gib=round(rng.uniform(0.003, 0.006), 4))
