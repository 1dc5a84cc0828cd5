"""How the scenarios' intrusions are drawn: one module a scenario, named after it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    from fleetgym_env_cti_realm.stories.plot import Plot
    from fleetgym_estate.estate import Estate

__all__ = ["story_of"]


def story_of(scenario: str) -> Callable[[Estate, Generator], Plot]:
    """Return what draws the plots of one scenario id."""
    name = scenario.rpartition("/")[2].replace("-", "_")
    return import_module(f"{__name__}.{name}").draw
