"""Environments with bugs, lanes that die, a full disk: no run is waited for in vain, or lost."""

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fleetgym.contracts.errors import OperatorError
from fleetgym.contracts.record import FailureCategory, Outcome, RunRecord
from fleetgym.held import held_directory, remove_left
from fleetgym.records.store import scan
from fleetgym.registry import Registry
from fleetgym.runner.conduct import Options, conduct
from fleetgym.runner.events import Finished, Started
from fleetgym.runner.plan import REFERENCE, Plan, expand
from fleetgym.runner.suite import load_suite


@dataclass
class Notes:
    """What a runner tells whoever watches it."""

    notes: list[str] = field(default_factory=list[str])
    told: list[Finished] = field(default_factory=list[Finished])

    def planned(self, plan: Plan, finished: int) -> None:
        """Nothing is checked of it."""

    def note(self, message: str) -> None:
        self.notes.append(message)

    def started(self, event: Started) -> None:
        """Nothing is checked of it."""

    def finished(self, event: Finished) -> None:
        self.told.append(event)

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def experts(suite: Callable[..., Path]) -> Callable[[str], Plan]:
    """The expert's runs alone: no framework has to be started for them."""

    def plan(seeds: str) -> Plan:
        registry = Registry.discover()
        if "autogen" not in registry.frameworks:
            pytest.skip("needs a plugin environment to plan with")
        planned = expand(load_suite(suite(seeds=seeds, reference=True)), registry)
        return replace(planned, runs=[r for r in planned.runs if r.key.framework == REFERENCE])

    return plan


def run(plan: Plan, out: Path, *, lanes: int = 1) -> Notes:
    notes = Notes()
    options = Options(out=out, sandbox="none", isolate="none", jobs=4, lanes=lanes)
    conduct(plan, Registry.discover(), options, notes)
    return notes


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("truth", "RuntimeError: The environment has a bug."),
        ("iterator", "StopIteration."),
        ("exit", "SystemExit: The environment gave up."),
        ("facts", "Unable to serialize unknown type: <class 'object'>."),
    ],
)
def test_whatever_an_environment_raises_voids_its_run_and_is_written_down(
    experts: Callable[[str], Plan],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    why: str,
) -> None:
    monkeypatch.setenv("FLEETGYM_TINY_BROKEN", broken)

    run(experts("0"), tmp_path)

    (record,) = scan(tmp_path).records
    assert (record.outcome, record.score) == (Outcome.VOID, None)
    assert record.category is FailureCategory.HARNESS
    assert record.detail.endswith(f"{why} lane.log has the traceback.")
    assert "Traceback (most recent call last)" in (tmp_path / "lane.log").read_text()
    assert len(list((tmp_path / "voids").iterdir())) == 3


def test_a_run_that_kills_its_lane_is_void_and_takes_no_other_with_it(
    experts: Callable[[str], Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETGYM_TINY_BROKEN", "killed")

    notes = run(experts("0-5"), tmp_path)

    by_seed: dict[int, RunRecord] = {r.key.seed: r for r in scan(tmp_path).records}
    assert by_seed.pop(1).outcome is Outcome.VOID
    assert {seed: record.outcome for seed, record in by_seed.items()} == dict.fromkeys(
        (0, 2, 3, 4, 5), Outcome.SUCCESS
    )
    assert len(notes.notes) == 3
    assert notes.notes[0].endswith(
        "The lane was ended by signal 9 (Killed, as when memory runs out)."
    )


def test_a_disk_that_is_full_ends_the_suite_and_what_was_finished_is_kept(
    experts: Callable[[str], Plan], tmp_path: Path
) -> None:
    with small_disk(tmp_path / "small") as disk:
        run(experts("0"), disk)
        (kept,) = scan(disk).records
        (disk / "ballast").write_bytes(b"")
        with contextlib.suppress(OSError), (disk / "ballast").open("wb") as ballast:
            while True:
                ballast.write(b"x" * 4096)
                ballast.flush()

        with pytest.raises(OperatorError, match=r"No space left on device\. Free some space"):
            run(experts("0-3"), disk)

        assert scan(disk).records == [kept]
        (disk / "ballast").unlink()
        run(experts("0-3"), disk)
        assert [r.outcome for r in scan(disk).records] == [Outcome.SUCCESS] * 4
        assert kept in scan(disk).records
        assert list(disk.rglob(".making-*")) == []


@contextlib.contextmanager
def small_disk(place: Path) -> Generator[Path]:
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", place],
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"needs the right to mount: {made.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_what_a_killed_process_held_is_removed_and_what_a_living_one_holds_is_not(
    tmp_path: Path,
) -> None:
    dying = (
        "import os, sys, pathlib; from fleetgym.held import held_directory\n"
        "with held_directory(pathlib.Path(sys.argv[1]), 'held-') as made:\n"
        "    (made / 'file').write_text('x'); print(made, flush=True); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", dying, tmp_path], capture_output=True, text=True, check=False
    )
    left = Path(killed.stdout.strip())
    assert (left / "file").exists()
    living = tmp_path / "held-living"
    living.mkdir()
    lock = os.open(living, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (tmp_path / "other").mkdir()

    with held_directory(tmp_path, "held-") as own:
        assert sorted(tmp_path.iterdir()) == sorted([own, living, tmp_path / "other"])

    os.close(lock)
    assert remove_left(tmp_path, "held-") == [living]
