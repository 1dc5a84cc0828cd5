"""Builds container images.

    containers/build [IMAGE…]     all of them, or `toolserver` and plugins by name

An image is built again only when something that goes into it has changed. The base image is BASE,
from the environment; without it the first of: `fleetgym-base`, if the daemon has it; the default,
if the daemon has it or can pull it; `fleetgym-base`, made of Debian packages.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgym import home
from fleetgym.contracts.errors import FleetgymError, MissingDependency, OperatorError, UnknownName
from fleetgym.version import __version__
from fleetgym_images import context, engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetgym_images.context import Recipe

__all__ = ["main"]

_DEFAULT = "python:3.11-slim-bookworm"
_OWN = "fleetgym-base"


def main() -> None:
    """Build what is asked for."""
    parser = argparse.ArgumentParser(prog="containers/build")
    parser.add_argument("images", nargs="*", metavar="IMAGE")
    asked = parser.parse_args()
    try:
        _build_all(asked.images)
    except MissingDependency as error:
        _say(str(error))
        sys.exit(3)
    except FleetgymError as error:
        _say(str(error))
        sys.exit(1)


def _build_all(names: Sequence[str]) -> None:
    known = context.recipes()
    for name in names:
        if name not in known:
            raise UnknownName("image", name, known)
    engine.check()
    work = home.home() / "images"
    work.mkdir(parents=True, exist_ok=True)
    # Who builds at the same time finds everything built.
    with (work / ".lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        base = _base()
        for name in names or known:
            _build(known[name], base, work)


def _base() -> str:
    wanted = os.environ.get("BASE", "")
    for name in [wanted] if wanted else [_OWN, _DEFAULT]:
        if engine.find(name) is not None:
            return name
    name = wanted or _DEFAULT
    _say(f"base: pulling {name}")
    reason = engine.pull(name)
    if not reason:
        return name
    if wanted:
        raise OperatorError(f"The base image {wanted!r} cannot be pulled: {reason}")
    _say(f"base: {name} cannot be pulled ({reason}); making {_OWN} of Debian packages")
    made = subprocess.run([str(context.ROOT / "containers/base/make")], check=False)
    if made.returncode:
        raise MissingDependency("There is no base image. docs/containers.md tells how to get one.")
    return _OWN


def _build(recipe: Recipe, base: str, work: Path) -> None:
    tag = f"{recipe.title}:{__version__}"
    began = time.monotonic()
    basis = engine.find(base)
    assert basis is not None, base
    revision = context.revision(recipe)
    inputs = context.inputs(recipe, __version__, revision, basis.id)
    found = engine.find(tag)
    if found is not None and found.labels.get("fleetgym.inputs") == inputs:
        _report(tag, found, "up to date")
        return
    with tempfile.TemporaryDirectory(dir=work, prefix=f"{recipe.name}-") as folder:
        _say(f"{tag}: collecting packages and sources")
        python = engine.python_of(base)
        context.prepare(recipe, python, Path(folder))
        _say(f"{tag}: building on {base} ({time.monotonic() - began:.0f} s)")
        built = engine.build(
            partial(context.write, Path(folder)),
            tag,
            arguments={"BASE": base, "SITE": python.site, **recipe.arguments},
            labels={
                "fleetgym.inputs": inputs,
                "org.opencontainers.image.title": recipe.title,
                "org.opencontainers.image.version": __version__,
                "org.opencontainers.image.revision": revision,
            },
            log=work / f"{recipe.name}.log",
            progress=lambda step: _say(f"    {step}"),
        )
    if found is not None and found.id != built.id:
        engine.remove(found)
    _report(tag, built, f"built in {time.monotonic() - began:.0f} s")


def _report(tag: str, image: engine.Image, how: str) -> None:
    _say(f"{tag}: {how}, {image.size_bytes / 1e6:.0f} MB, {image.id}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
