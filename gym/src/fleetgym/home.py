"""Where fleetgym keeps what it makes: plugin environments and caches."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["DATA", "cache", "data_set", "home", "venvs"]

DATA = "FLEETGYM_DATA"
"""Environment variable with the directory of a published data set, for processes to inherit."""


def data_set() -> Path | None:
    """Return the directory of the data set that scenarios are read from beside our own, if any."""
    said = os.environ.get(DATA)
    return Path(said).resolve() if said else None


def home() -> Path:
    """Return the state directory: ``$FLEETGYM_HOME``, else ``.fleetgym`` here; may not exist."""
    return Path(os.environ.get("FLEETGYM_HOME", ".fleetgym")).resolve()


def cache(*parts: str) -> Path:
    """Return a directory for what can be made again, and make it."""
    path = home().joinpath("cache", *parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


def venvs() -> Path:
    """Return the directory that holds one virtual environment a plugin; may not exist."""
    return home() / "venvs"
