"""A directory of run records.

    RUNS/suite.json                    what was planned, once
    RUNS/records/<run_id>.json.gz      one finished run, immutable
    RUNS/voids/<run_id>-<attempt>.json.gz   attempts that the harness spoiled
    RUNS/traces/<run_id>.jsonl         the run's spans, OTLP JSON

A file appears whole, under its final name, or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fleetgym.contracts.errors import OperatorError
from fleetgym.contracts.record import Outcome, RunRecord
from fleetgym.records.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Problem", "RunDirectory", "Scan", "read_all", "read_one", "scan"]

_MAKING = ".making-"


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that is no run record."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What a directory of run records holds."""

    records: list[RunRecord]
    """By run id; attempts that were void are not among them, runs that stayed void are."""

    problems: list[Problem]


class RunDirectory:
    """Writes the records of one suite."""

    def __init__(self, path: Path, redactor: Redactor | None = None) -> None:
        """Make the directory.

        Raises:
            OperatorError: It cannot be made or written to.
        """
        self.path = path
        self._redactor = redactor or Redactor()
        try:
            for part in ("records", "voids", "traces"):
                (path / part).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path / "records"):
                pass
        except OSError as error:
            raise _unwritable(path, error) from error

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Keep other runners out while this one writes.

        Raises:
            OperatorError: Another one is at work here.
        """
        with (self.path / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise OperatorError(
                    f"Another `fleetgym run` is writing to {str(self.path)!r}. Wait for it, or "
                    "give this one another --out."
                ) from error
            # Whoever was killed while it wrote left a file that nobody will finish.
            for torn in self.path.rglob(f"{_MAKING}*"):
                torn.unlink(missing_ok=True)
            yield

    def finished(self) -> set[str]:
        """Return the ids of the runs that need not be done again: whole records that are not void.

        A torn or foreign file does not count, so its run is done again.
        """
        found = scan(self.path).records
        return {record.run_id for record in found if record.outcome is not Outcome.VOID}

    def write(self, record: RunRecord) -> Path:
        """Write a finished run; a void record of the same run is replaced, no other ever is.

        Raises:
            OperatorError: It could not be written; nothing partial is left behind.
        """
        return self._put(self.path / "records" / f"{record.run_id}.json.gz", record)

    def write_void(self, record: RunRecord) -> Path:
        """Write one spoiled attempt.

        Raises:
            OperatorError: It could not be written.
        """
        return self._put(self.path / "voids" / f"{record.run_id}-{record.attempt}.json.gz", record)

    def write_trace(self, run_id: str, lines: str) -> Path:
        """Write a run's spans, one JSON document a line.

        Raises:
            OperatorError: It could not be written.
        """
        target = self.path / "traces" / f"{run_id}.jsonl"
        self._write(target, self._redactor.text(lines).encode())
        return target

    def write_file(self, name: str, text: str) -> Path:
        """Write a file about the suite.

        Raises:
            OperatorError: It could not be written.
        """
        self._write(self.path / name, self._redactor.text(text).encode())
        return self.path / name

    def _put(self, target: Path, record: RunRecord) -> Path:
        text = self._redactor.text(record.model_dump_json())
        # No time and no name inside: equal records are equal files.
        self._write(target, gzip.compress(text.encode(), compresslevel=6, mtime=0))
        return target

    def _write(self, target: Path, data: bytes) -> None:
        handle = -1
        making = ""
        try:
            handle, making = tempfile.mkstemp(dir=target.parent, prefix=_MAKING)
            with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(making).chmod(0o644)
            Path(making).replace(target)
        except OSError as error:
            if making:
                Path(making).unlink(missing_ok=True)
            raise _unwritable(target, error) from error


def _unwritable(path: Path, error: OSError) -> OperatorError:
    return OperatorError(
        f"{str(path)!r} cannot be written: {error.strerror or error}. Free some space, mend the "
        "permissions or give another --out; what was finished before is kept."
    )


def read_one(path: Path) -> RunRecord:
    """Return the record in ``path``.

    Raises:
        ValueError: It holds no whole run record; the text says why, in a few words.
    """
    try:
        return RunRecord.model_validate_json(gzip.decompress(path.read_bytes()))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"torn or not gzip: {error}") from error
    except ValidationError as error:
        raise ValueError(f"not a run record of format 1: {error.error_count()} problems") from error
    except (OSError, ValueError) as error:
        raise ValueError(str(error)) from error


def scan(runs: Path) -> Scan:
    """Return every record under ``runs`` and every file there that is none.

    Raises:
        OperatorError: ``runs`` is no directory of run records.
    """
    folder = runs / "records"
    if not folder.is_dir():
        raise OperatorError(
            f"{str(runs)!r} holds no run records. `fleetgym run SUITE --out {runs}` makes some."
        )
    records: list[RunRecord] = []
    problems: list[Problem] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(_MAKING):
            continue
        try:
            record = read_one(path)
        except ValueError as error:
            problems.append(Problem(path, str(error)))
            continue
        if path.name == f"{record.run_id}.json.gz":
            records.append(record)
        else:
            problems.append(Problem(path, f"is named otherwise than its run {record.run_id}"))
    return Scan(records, problems)


def read_all(runs: Path) -> list[RunRecord]:
    """Return every whole record under ``runs``, by run id."""
    return scan(runs).records
