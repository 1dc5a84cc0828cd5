"""Makes the virtual environments of framework plugins with uv.

An environment is made aside and renamed when it is whole, so a half-made one is never taken for
one. It holds exactly what the plugin's `requirements.txt` locks, fleetgym's base install and the
plugin. These two are installed editable when fleetgym is: uv builds them in an isolated
environment, which leaves no build tool behind in the plugin's. uv is asked without the network
first, so that a warm cache answers at once and offline; hashes make both ways give the same.

Nothing is compiled up front. The plugin is asked to describe itself, for which it imports its
framework: that proves it whole, and leaves the bytecode of what runs import, a third of all.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import distribution
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from fleetgym import home
from fleetgym.contracts.errors import MissingDependency, OperatorError, SpecError, UnknownName
from fleetgym.contracts.json import digest
from fleetgym.registry.frameworks import MANIFEST, Manifest, read_manifest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ["Added", "add", "remove"]

_PREFIX = "fleetgym-plugin-"
_NAME = re.compile(_PREFIX + r"[a-z0-9][a-z0-9-]*")
_TAIL = 1500


@dataclass(frozen=True, slots=True)
class Added:
    """A plugin that is installed."""

    name: str
    version: str
    """Of its framework."""

    changed: bool
    """Whether anything had to be done."""


def add(path: Path) -> Added:
    """Install the plugin in the folder ``path`` into an environment of its own.

    Does nothing when the environment was made from the same plugin, requirements, fleetgym and
    Python; when only the plugin's source has changed, it is asked again what it registers.
    Processes that add plugins at the same time do not disturb each other.

    Raises:
        SpecError: The folder is not a plugin, or the plugin cannot be loaded.
        OperatorError: uv is missing or could not install what is required.
    """
    folder = path.resolve()
    name = _name_of(folder)
    wanted = _Digests(of_environment=_of_environment(folder), of_source=_of_source(folder))
    target = home.venvs() / name
    if str(wanted) == _made_from(target):
        return Added(name, read_manifest(target).version, changed=False)
    with _locked(name):
        made_from = _made_from(target)
        if not made_from.startswith(wanted.of_environment):
            _make(name, folder, wanted, target)
        elif made_from != str(wanted):
            _write_manifest(name, folder, wanted, target)
    return Added(name, read_manifest(target).version, changed=made_from != str(wanted))


def remove(name: str) -> None:
    """Remove the environment of a plugin.

    Raises:
        UnknownName: There is none of this name.
    """
    folder = home.venvs()
    known = [p.name for p in folder.iterdir() if p.name[0] != "."] if folder.is_dir() else []
    if name not in known:
        raise UnknownName("plugin environment", name, known)
    with _locked(name):
        _discard(folder / name)


def _name_of(folder: Path) -> str:
    file = folder / "pyproject.toml"
    try:
        name = str(tomllib.loads(file.read_text(encoding="utf-8"))["project"]["name"])
    except OSError as error:
        raise SpecError(
            f"{str(folder)!r} is not a plugin's folder: its pyproject.toml cannot be read "
            f"({error.strerror}). `fleetgym new plugin NAME` makes one."
        ) from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise SpecError(f"{str(file)!r} is no pyproject with a [project] name: {error}.") from error
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"{str(file)!r}: the distribution of a framework plugin is called "
            f"'{_PREFIX}NAME' in lower case, not {name!r}."
        )
    if not (folder / "requirements.txt").is_file():
        raise SpecError(
            f"{str(folder)!r} has no requirements.txt, which locks what it runs on. Make it: "
            "`uv pip compile --universal --generate-hashes requirements.in -o requirements.txt`."
        )
    return name.removeprefix(_PREFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Digests:
    of_environment: str
    of_source: str

    def __str__(self) -> str:
        return f"{self.of_environment}-{self.of_source}"


def _of_environment(folder: Path) -> str:
    return digest(
        {
            "folder": str(folder),
            "files": [
                (folder / name).read_text(encoding="utf-8")
                for name in ("pyproject.toml", "requirements.txt")
            ],
            "fleetgym": _our_requirement(),
            "python": [sys.version, sys.executable],
        }
    )


def _of_source(folder: Path) -> str:
    return digest(
        [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("src/**/*.py"))]
    )


def _made_from(target: Path) -> str:
    """Return the digests of a whole environment, else an empty text."""
    with contextlib.suppress(OSError, ValidationError, SpecError):
        read_manifest(target)
        return Manifest.model_validate_json((target / MANIFEST).read_bytes()).digest
    return ""


def _make(name: str, folder: Path, wanted: _Digests, target: Path) -> None:
    making = target.with_name(f".making-{name}")
    _discard(making)
    python = making / "bin" / "python"
    try:
        _uv("venv", "--relocatable", "--python", sys.executable, str(making), about=name)
        _install(name, "sync", python, "--require-hashes", str(folder / "requirements.txt"))
        ours = _our_requirement()
        _install(name, "install", python, "--no-deps", *ours, "--editable", str(folder))
        _write_manifest(name, folder, wanted, making)
        _discard(target)
        making.rename(target)
    finally:
        _discard(making)


def _install(name: str, how: str, python: Path, *arguments: str) -> None:
    command = ("pip", how, "--python", str(python), *arguments)
    try:
        _uv(*command, "--offline", about=name)
    except OperatorError:
        _uv(*command, about=name)


def _write_manifest(name: str, folder: Path, wanted: _Digests, environment: Path) -> None:
    described = _describe(name, folder, environment / "bin" / "python")
    manifest = Manifest(**described, digest=str(wanted))
    part = environment / f"{MANIFEST}.part"
    part.write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
    part.replace(environment / MANIFEST)


def _describe(name: str, folder: Path, python: Path) -> dict[str, Any]:
    done = subprocess.run(
        [str(python), "-P", "-s", "-m", "fleetgym.worker", "describe"],
        env={"PATH": os.defpath, "HOME": str(python.parents[1]), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SpecError(f"Plugin {name!r} in {str(folder)!r} is broken:\n{_tail(done.stderr)}")
    return cast("dict[str, Any]", json.loads(done.stdout.splitlines()[-1]))


def _our_requirement() -> list[str]:
    """Return how uv is to install the fleetgym that is running, base dependencies left out."""
    ours = distribution("fleetgym")
    origin: dict[str, Any] = json.loads(ours.read_text("direct_url.json") or "{}")
    if not origin:
        return [f"fleetgym=={ours.version}"]
    if "dir_info" in origin:
        source = unquote(urlsplit(str(origin["url"])).path)
        return ["--editable", source] if origin["dir_info"].get("editable") else [source]
    return [f"fleetgym @ {origin['url']}"]


def _uv(*arguments: str, about: str) -> None:
    """Run uv.

    Raises:
        MissingDependency: It is not installed.
        OperatorError: It failed; the message ends with what it said.
    """
    try:
        from uv import find_uv_bin  # noqa: PLC0415

        program = find_uv_bin()
    except (ImportError, FileNotFoundError):
        program = shutil.which("uv") or ""
    if not program:
        raise MissingDependency(
            "Plugins need uv, which is not installed here: `pip install 'fleetgym[run]'`."
        )
    done = subprocess.run(
        [program, *arguments, "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise OperatorError(
            f"The environment of plugin {about!r} could not be made: `uv {' '.join(arguments)}` "
            f"said:\n{_tail(done.stderr)}"
        )


@contextlib.contextmanager
def _locked(name: str) -> Generator[None]:
    """Hold the lock of one plugin's environment."""
    folder = home.venvs()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f".{name}.lock").open("w")
    except OSError as error:
        raise OperatorError(
            f"Plugin environments cannot be written to {str(folder)!r}: {error.strerror}. "
            "FLEETGYM_HOME names another place."
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _discard(folder: Path) -> None:
    """Remove a folder; what it was is never seen half removed."""
    if folder.exists():
        gone = folder.with_name(f".gone-{folder.name}-{os.getpid()}")
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _tail(said: str) -> str:
    return said.strip()[-_TAIL:]
