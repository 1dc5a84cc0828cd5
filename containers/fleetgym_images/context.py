"""What goes into an image: locked packages, and sources that git tracks.

Packages are installed into a folder here, by uv, for the Python of the base image. So the settings
of this machine say where they come from, its cache is used, and a build needs no network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fleetgym.contracts.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym_images.engine import Python

__all__ = ["ROOT", "Recipe", "inputs", "prepare", "recipes", "revision", "write"]

ROOT = Path(__file__).resolve().parents[2]
_CORE = ("pyproject.toml", "README.md", "LICENSE", "gym/src")
_TAIL = 1500
_DATE = 315532800  # 1980-01-01, the oldest date that a zip file knows
# Scripts name the interpreter of the machine that unpacked them, and nobody calls them.
_LEFT_OUT = ("requirements/bin", "requirements/.lock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One image."""

    name: str
    """As one asks for it: ``toolserver``, or a plugin's name."""

    folder: str
    """Holds the Dockerfile."""

    requirements: str
    members: tuple[str, ...]
    """Distributions of ours beside the core, by folder."""

    arguments: Mapping[str, str] = field(default_factory=dict[str, str])
    """Build arguments beside the base."""

    @property
    def title(self) -> str:
        """The image's name, without the version."""
        return "-".join(["fleetgym", Path(self.folder).name, *self.arguments.values()])


def recipes() -> dict[str, Recipe]:
    """Return the tool server's image, and one for each framework plugin."""
    toolserver = Recipe(
        name="toolserver",
        folder="containers/toolserver",
        requirements="containers/toolserver/requirements.txt",
        members=("knowledge_bases", "knowledge_bases/cluster"),
    )
    plugins = [path.parent.name for path in sorted(ROOT.glob("plugins/*/requirements.txt"))]
    executors = [
        Recipe(
            name=name,
            folder="containers/executor",
            requirements=f"plugins/{name}/requirements.txt",
            members=(f"plugins/{name}",),
            arguments={"PLUGIN": name},
        )
        for name in plugins
    ]
    return {recipe.name: recipe for recipe in (toolserver, *executors)}


def revision(recipe: Recipe) -> str:
    """Return the last commit that changed what goes in; ``-dirty`` when more has changed since."""
    paths = _paths(recipe)
    commit = _git("log", "-1", "--format=%H", "--", *paths).strip()
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", *paths)
    return f"{commit}-dirty" if changed else commit


def inputs(recipe: Recipe, *also: str) -> str:
    """Return a digest of all that decides on the image."""
    state = hashlib.sha256()
    for path in _tracked(_paths(recipe)):
        state.update(f"{path}\0{os.access(ROOT / path, os.X_OK)}\0".encode())
        state.update(hashlib.sha256((ROOT / path).read_bytes()).digest())
    for text in also:
        state.update(f"\0{text}".encode())
    return state.hexdigest()


def prepare(recipe: Recipe, python: Python, context: Path) -> None:
    """Fill the empty directory ``context``.

    Raises:
        OperatorError: Packages could not be had, or sources not be packed.
    """
    _install(recipe.requirements, python, context / "requirements")
    for member in (".", *recipe.members):
        _pack(member, context)
    for file in ("containers/assemble.py", f"{recipe.folder}/Dockerfile"):
        shutil.copy(ROOT / file, context)


def write(context: Path, to: IO[bytes]) -> None:
    """Write a prepared directory as an archive, the same wherever and whenever it is made."""
    with tarfile.open(fileobj=to, mode="w|", dereference=True) as archive:
        for path in sorted(context.iterdir()):
            archive.add(path, path.name, filter=_settled)


def _settled(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if member.name in _LEFT_OUT:
        return None
    executable = member.isdir() or member.mode & 0o100
    return member.replace(
        mtime=_DATE,
        mode=0o755 if executable else 0o644,
        uid=0,
        gid=0,
        uname="",
        gname="",
        deep=False,
    )


def _paths(recipe: Recipe) -> tuple[str, ...]:
    ours = ("containers/assemble.py", f"{recipe.folder}/Dockerfile", recipe.requirements)
    return (*ours, *_sources("."), *(path for m in recipe.members for path in _sources(m)))


def _sources(member: str) -> tuple[str, ...]:
    if member == ".":
        return _CORE
    return (f"{member}/pyproject.toml", f"{member}/README.md", f"{member}/src")


def _tracked(paths: Sequence[str]) -> list[str]:
    listed = _git("ls-files", "-z", "--", *paths).split("\0")
    return sorted(path for path in listed if path and (ROOT / path).is_file())


def _install(requirements: str, python: Python, target: Path) -> None:
    from uv import find_uv_bin  # noqa: PLC0415 - not for those who only ask what there is

    command = (
        find_uv_bin(), "pip", "install", "--quiet", "--target", str(target),
        "--python-version", python.version, "--python-platform", python.platform,
        "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", requirements,
    )  # fmt: skip
    # The cache first: what has its hash is what was locked, and no index need be asked.
    for more in (["--offline"], []):
        done = subprocess.run(
            [*command, *more], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return
    raise OperatorError(
        f"{requirements} could not be installed for Python {python.version} on {python.platform}: "
        f"{done.stderr.strip()[-_TAIL:]}"
    )


def _pack(member: str, context: Path) -> None:
    """Make a wheel of what git tracks, and unpack it."""
    tree, wheels = context / "tree", context / "wheels"
    for path in _tracked(_sources(member)):
        copy = tree / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, copy)
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)],
        cwd=tree / member,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OperatorError(f"{member} could not be packed: {done.stderr.strip()[-_TAIL:]}")
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(context / "sources")  # noqa: S202 - a zip file, and our own
    shutil.rmtree(tree)
    shutil.rmtree(wheels)


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise OperatorError(
            f"Images hold what git tracks, and `git {arguments[0]}` failed in {str(ROOT)!r}: "
            f"{done.stderr.strip()}"
        )
    return done.stdout
