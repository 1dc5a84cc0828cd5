"""Which Python packages a tool server gets to see: those of its toolsets, and what they stand on.

Environments and graders know the ground truth or how to generate it, so they are never among them.
"""

from __future__ import annotations

import importlib.util
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgym.contracts.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Imports", "find_imports"]

_FORBIDDEN = ("fleetgym_env_", "fleetgym_graders")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imports:
    """Where a tool server imports from."""

    site_packages: Path
    """Of the runner, with all third-party packages."""

    masked: tuple[Path, ...]
    """Packages in it that must not be seen."""

    packages: tuple[Path, ...]
    """Packages outside it, for example in a source tree."""

    roots: tuple[Path, ...]
    """The directories of those packages, for ``sys.path``."""


def find_imports(toolsets: Sequence[str]) -> Imports:
    """Return what a server of these toolsets imports, without importing it.

    Raises:
        SpecError: A toolset cannot be found, or belongs to a package that knows the answers.
    """
    site_packages = Path(sysconfig.get_path("purelib"))
    packages: dict[Path, None] = {}
    for name in ("fleetgym", *toolsets):
        top = name.partition(".")[0]
        if top.startswith(_FORBIDDEN):
            raise SpecError(
                f"Toolset {name!r} belongs to {top!r}, which knows the ground truth. Tools live in "
                "a package of their own."
            )
        spec = importlib.util.find_spec(top)
        if spec is None or spec.origin is None:
            raise SpecError(f"Toolset {name!r} cannot be found. Is its distribution installed?")
        origin = Path(spec.origin)
        place = origin.parent if origin.name == "__init__.py" else origin
        if not place.is_relative_to(site_packages):
            packages[place] = None
    return Imports(
        site_packages=site_packages,
        masked=tuple(
            path
            for path in sorted(site_packages.iterdir())
            if path.is_dir() and path.name.startswith(_FORBIDDEN)
        ),
        packages=tuple(packages),
        roots=tuple(dict.fromkeys(path.parent for path in packages)),
    )
