"""The files that a plugin's interpreter needs, found without starting it.

A plugin's environment holds packages, and paths of source folders for what is installed editable.
Of those folders only packages are shown: beside them may lie whatever a developer keeps.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgym.sandboxes.imports import Imports, find_imports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetgym.registry import RegisteredFramework

__all__ = ["python_files"]

_PROJECT = (".git", "pyproject.toml", "setup.cfg", "setup.py")


def python_files(framework: RegisteredFramework) -> Imports:
    """Return what a framework's interpreter needs.

    A plugin that is installed beside the runner is shown no other plugin: those know the truth.

    Raises:
        SpecError: The plugin's module cannot be found.
    """
    if framework.python == Path(sys.executable):
        return find_imports((framework.spec.entry_point.partition(":")[0],))
    prefix = framework.python.parents[1]
    sites = [path for path in prefix.glob("lib*/python3*/site-packages") if not path.is_symlink()]
    return Imports(
        interpreter=tuple(_interpreter(framework.python)),
        packages=(*sites, *(shown for site in sites for shown in _editable(site))),
        roots=(),
        hidden=(),
    )


def _interpreter(python: Path) -> Iterator[Path]:
    """Yield what runs ``python``, through all its symbolic links."""
    yield python.parents[1] / "pyvenv.cfg"
    link = python
    yield link.parent
    while link.is_symlink():
        link = Path(os.path.normpath(link.parent / link.readlink()))
        yield link.parent
    for prefix in {link.parents[1], python.resolve().parents[1]}:
        for name in ("bin", "lib", "lib64"):
            yield prefix / name


def _editable(site: Path) -> Iterator[Path]:
    """Yield the source that the ``.pth`` files of a directory of packages lead to."""
    for file in site.glob("*.pth"):
        for line in file.read_text(encoding="utf-8").splitlines():
            # The other lines that the format knows are code.
            if line.startswith(os.sep) and Path(line).is_dir():
                yield from _importable(Path(line))


def _importable(folder: Path) -> Iterator[Path]:
    if not any((folder / name).exists() for name in _PROJECT):
        yield folder
        return
    for path in folder.iterdir():
        if path.suffix == ".py" or (path / "__init__.py").exists():
            yield path
