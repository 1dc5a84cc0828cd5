"""Generated instances, kept by the digest of all that they depend on.

Frameworks that are compared meet the same (scenario, seed), so most resets find their data here.
A directory holds ``data/``, which the sandbox may read, and ``instance.json`` with the prompt and
the ground truth, which it may not.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgym.contracts.errors import OperatorError
from fleetgym.contracts.json import canonical_json, digest
from fleetgym.contracts.scenario import Budget
from fleetgym.env.tool_env import Instance
from fleetgym.held import held_directory

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from fleetgym.env.tool_env import ToolEnv

__all__ = ["InstanceCache"]


class InstanceCache:
    """Keeps the ``capacity`` most recently used instances under ``root``.

    Any number of processes may share ``root``.
    """

    def __init__(self, root: Path, *, capacity: int = 128) -> None:
        self.root = root
        self.capacity = capacity

    def get(self, env: ToolEnv, seed: int, planted: Mapping[str, str] | None = None) -> Instance:
        """Return the instance of ``env``'s scenario for ``seed``, generated if need be.

        Args:
            env: Generates it, and plants.
            seed: Names it.
            planted: Texts by surface, in another copy of it.

        Raises:
            OperatorError: It could not be written.
        """
        planted = planted or {}
        place = self.root / _key(env, seed, planted)
        try:
            if not (place / "instance.json").exists():
                self.root.mkdir(parents=True, exist_ok=True)
                with _turn(self.root / f".{place.name}.lock"):
                    if not (place / "instance.json").exists():
                        self._generate(env, seed, planted, place)
            _touch(place)
            stored = json.loads((place / "instance.json").read_text())
        except OSError as error:
            raise OperatorError(
                f"The instance cache {str(self.root)!r} cannot be used: {error.strerror}. "
                "Free some space or set FLEETGYM_HOME to a writable directory."
            ) from error
        return Instance(
            prompt=stored["prompt"], truth=env.decode_truth(stored["truth"]), data=place / "data"
        )

    def digest(self, env: ToolEnv, seed: int) -> str:
        """Return the SHA-256 of prompt, ground truth and data of an instance.

        Of a DuckDB file its tables count, row by row, since its bytes differ from version to
        version of DuckDB.
        """
        data = self.get(env, seed).data
        total = hashlib.sha256((data.parent / "instance.json").read_bytes())
        for path in sorted(path for path in data.rglob("*") if path.is_file()):
            total.update(path.relative_to(data).as_posix().encode())
            if path.suffix == ".duckdb":
                for line in _rows(path):
                    total.update(line.encode())
            else:
                total.update(path.read_bytes())
        return total.hexdigest()

    def _generate(self, env: ToolEnv, seed: int, planted: Mapping[str, str], place: Path) -> None:
        with held_directory(self.root, ".making-") as making:
            (making / "data").mkdir()
            prompt, truth = env.generate(seed, making / "data")
            for surface, text in sorted(planted.items()):
                env.plant(making / "data", surface, text, seed)
            (making / "instance.json").write_text(
                canonical_json({"prompt": prompt, "truth": truth})
            )
            making.rename(place)
            _touch(place)
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        kept = sorted(
            (p for p in self.root.iterdir() if not p.name.startswith(".")),
            key=lambda p: p.stat().st_mtime,
        )
        for path in kept[: max(0, len(kept) - self.capacity)]:
            shutil.rmtree(path, ignore_errors=True)


def _rows(path: Path) -> Iterator[str]:
    """Yield what the tables of a DuckDB file hold, in order."""
    import duckdb  # noqa: PLC0415 - the environments' own business, but for digests

    with duckdb.connect(str(path), read_only=True) as database:
        names = database.execute(
            "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY table_name"
        ).fetchall()
        for (name,) in names:
            table = database.execute(f'SELECT * FROM "{name}" ORDER BY rowid')  # noqa: S608  # names of ours
            yield repr((name, [(column[0], str(column[1])) for column in table.description]))
            while rows := table.fetchmany(4096):
                yield repr(rows)


@contextlib.contextmanager
def _turn(lock: Path) -> Generator[None]:
    """Keep others from generating the same instance, which several runs often want at once."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    lock.unlink(missing_ok=True)


def _touch(path: Path) -> None:
    # The kernel's own stamps are as coarse as its clock tick; several resets fit into one.
    now = time.time_ns()
    os.utime(path, ns=(now, now))


def _key(env: ToolEnv, seed: int, planted: Mapping[str, str]) -> str:
    packages = (type(env).__module__.partition(".")[0], *env.sources)
    scenario = replace(env.scenario, budget=Budget())  # no part of an instance
    # A mount that is made from sources is named after what it holds.
    mounts = {name: path.name for name, path in env.mounts().items()}
    sources = [_source_digest(package) for package in packages]
    parts = [scenario.digest(), seed, mounts, sources, *([dict(planted)] if planted else ())]
    return digest(parts)[:32]


@cache
def _source_digest(package: str) -> str:
    """Return a digest of a package's files: a changed generator makes new instances."""
    spec = importlib.util.find_spec(package)
    total = hashlib.sha256()
    for root in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(p for p in Path(root).rglob("*") if p.is_file()):
            if "__pycache__" not in path.parts:
                total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()
