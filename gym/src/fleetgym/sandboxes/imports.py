"""What of Python a tool server gets to see: its toolsets, and what they stand on.

Plugins know the ground truth, or how to generate it. So whatever registers itself as a plugin is
hidden, except the packages that toolsets live in; and of source trees (editable installs) only
those packages are shown.
"""

from __future__ import annotations

import importlib.util
import os
import site
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgym.contracts.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Imports", "find_imports", "plugin_packages", "refuse_forbidden"]

_FORBIDDEN = (
    "fleetgym_env_", "fleetgym_estate", "fleetgym_graders", "fleetgym_platform",
    "fleetgym_warehouse",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Imports:
    """Where a tool server imports from."""

    interpreter: tuple[Path, ...]
    """Directories and files of Python itself and of the virtual environment, without packages."""

    packages: tuple[Path, ...]
    """The directories of third-party packages, and single packages from elsewhere."""

    roots: tuple[Path, ...]
    """What ``sys.path`` needs for the latter."""

    hidden: tuple[Path, ...]
    """Packages that must not be seen, wherever they are."""


def find_imports(toolsets: Sequence[str]) -> Imports:
    """Return what a server of these toolsets imports, without importing it.

    Raises:
        SpecError: A toolset cannot be found, or belongs to a package that knows the answers.
    """
    refuse_forbidden(toolsets)
    sites = _site_directories()
    elsewhere: dict[Path, Path] = {}
    for name in ("fleetgym", *toolsets):
        package, root = _locate(name)
        if root not in sites:
            elsewhere[package] = root
    needed = {name.partition(".")[0] for name in ("fleetgym", *toolsets)}
    return Imports(
        interpreter=tuple(_interpreter()),
        packages=(*sites, *elsewhere),
        roots=tuple(dict.fromkeys([*elsewhere.values(), *_user_site()])),
        hidden=tuple(_places(plugin_packages() - needed, sites)),
    )


def refuse_forbidden(toolsets: Iterable[str]) -> None:
    """Raise SpecError when a toolset belongs to a package that knows the answers."""
    for name in toolsets:
        if name.startswith(_FORBIDDEN):
            raise SpecError(
                f"Toolset {name!r} belongs to a package that knows the ground truth, which no "
                "sandbox may see. Move the toolset to a package of its own."
            )


def _locate(toolset: str) -> tuple[Path, Path]:
    """Return the package or module that holds ``toolset``, and what ``sys.path`` needs for it."""
    parts = toolset.split(".")
    for depth in range(1, len(parts) + 1):
        try:
            spec = importlib.util.find_spec(".".join(parts[:depth]))
        except ImportError:
            break
        if spec is None:
            break
        if spec.origin is not None:  # else a namespace, which other distributions share
            origin = Path(spec.origin)
            package = origin.parent if origin.name == "__init__.py" else origin
            return package, package.parents[depth - 1]
    raise SpecError(f"Toolset {toolset!r} cannot be found. Is its distribution installed?")


def _site_directories() -> tuple[Path, ...]:
    names = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    found = [Path(name) for name in (*names, *site.getsitepackages())]
    return tuple(dict.fromkeys(path for path in (*found, *_user_site()) if path.is_dir()))


def _user_site() -> list[Path]:
    if not site.ENABLE_USER_SITE:
        return []
    path = Path(site.getusersitepackages())
    return [path] if path.is_dir() else []


def _interpreter() -> Iterator[Path]:
    """Yield what runs ``sys.executable``, through all its symbolic links."""
    yield Path(sys.prefix, "pyvenv.cfg")
    link = Path(sys.executable)
    yield link.parent
    while link.is_symlink():
        link = Path(os.path.normpath(link.parent / link.readlink()))
        yield link.parent
    for prefix in {Path(sys.base_prefix), Path(sys.base_prefix).resolve(), link.parent.parent}:
        for name in ("bin", "lib", "lib64"):
            yield prefix / name


@cache
def plugin_packages() -> frozenset[str]:
    """Return the top-level names of everything that registers itself as a plugin."""
    names: set[str] = set()
    for entry_point in entry_points(group="fleetgym"):
        names.add(entry_point.module.partition(".")[0])
        files = (entry_point.dist.files if entry_point.dist else None) or ()
        names |= {Path(file.parts[0]).stem for file in files if file.suffix == ".py"}
    return frozenset(name for name in names if name.isidentifier())


def _places(names: Iterable[str], sites: Sequence[Path]) -> Iterator[Path]:
    for directory in sites:
        yield from (p for p in directory.iterdir() if p.name.startswith(_FORBIDDEN))
    for name in names:
        spec = importlib.util.find_spec(name)
        for place in (spec.submodule_search_locations or [spec.origin]) if spec else []:
            if place is not None:
                yield Path(place)
