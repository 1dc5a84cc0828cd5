import errno
import gzip
import json
import os
from pathlib import Path

import duckdb
import pytest

from fleetgym.contracts.errors import OperatorError
from fleetgym.contracts.json import digest
from fleetgym.contracts.record import Outcome, RunKey, RunRecord
from fleetgym.records.redact import Redactor
from fleetgym.records.store import RunDirectory, read_one, scan


def make_record(seed: int = 0, outcome: Outcome = Outcome.SUCCESS, detail: str = "") -> RunRecord:
    key = RunKey(
        framework="langgraph",
        framework_version="1.2.22",
        topology="single",
        scenario="cti/linux-cron-persistence",
        scenario_version=1,
        condition="clean",
        model="policy/expert",
        seed=seed,
        grader="cti/strict",
    )
    return RunRecord(run_id=key.run_id, key=key, suite="s", outcome=outcome, detail=detail)


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    record = make_record()

    path = RunDirectory(tmp_path).write(record)

    assert read_one(path) == record
    assert scan(tmp_path).records == [record]


def test_equal_records_are_equal_files(tmp_path: Path) -> None:
    first = RunDirectory(tmp_path / "a").write(make_record())
    second = RunDirectory(tmp_path / "b").write(make_record())

    assert first.read_bytes() == second.read_bytes()


def test_a_file_cut_off_at_any_byte_is_named_and_skipped(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    path = directory.write(make_record())
    whole = path.read_bytes()

    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        found = scan(tmp_path)
        assert found.records == []
        assert [problem.path for problem in found.problems] == [path]
        assert directory.finished() == set()


def test_a_foreign_file_is_named_and_skipped(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    record = make_record()
    directory.write(record)
    (tmp_path / "records" / "notes.txt").write_text("mine")

    found = scan(tmp_path)

    assert found.records == [record]
    assert [problem.path.name for problem in found.problems] == ["notes.txt"]


def test_a_record_under_another_runs_name_is_no_record(tmp_path: Path) -> None:
    path = RunDirectory(tmp_path).write(make_record())
    path.rename(path.with_name("0123456789abcdef.json.gz"))

    found = scan(tmp_path)

    assert found.records == []
    assert "named otherwise" in found.problems[0].reason


def test_a_void_run_does_not_count_as_finished(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    done, void = make_record(1), make_record(2, Outcome.VOID)
    directory.write(done)
    directory.write(void)

    assert directory.finished() == {done.run_id}


def test_secrets_are_redacted_on_the_way_to_disk(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path, Redactor(["hunter2-hunter2"]))

    path = directory.write(make_record(detail="the key is hunter2-hunter2"))

    assert read_one(path).detail == "the key is [redacted:secret]"


def test_a_full_disk_is_one_clear_error_and_leaves_nothing_partial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = RunDirectory(tmp_path)
    kept = directory.write(make_record(1))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OperatorError, match="No space left on device"):
        directory.write(make_record(2))

    assert list((tmp_path / "records").iterdir()) == [kept]


def test_a_directory_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OperatorError, match="cannot be written"):
        RunDirectory(tmp_path / "file" / "runs")


def test_two_runners_cannot_write_to_one_directory(tmp_path: Path) -> None:
    with (
        RunDirectory(tmp_path).locked(),
        pytest.raises(OperatorError, match="Another `fleetgym run`"),
        RunDirectory(tmp_path).locked(),
    ):
        pass


def test_a_directory_without_records_says_how_to_get_some(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="fleetgym run SUITE"):
        scan(tmp_path)


def test_duckdb_reads_the_records_as_they_are(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    for seed in range(3):
        directory.write(make_record(seed))

    rows = duckdb.execute(
        f"SELECT key.framework, outcome FROM read_json('{tmp_path}/records/*.json.gz')"
    ).fetchall()

    assert rows == [("langgraph", "success")] * 3


def test_a_record_that_has_the_conditions_version_beside_its_key_is_read(tmp_path: Path) -> None:
    record = make_record()
    key = record.key.model_dump(mode="json") | {"condition": "leak"}
    del key["condition_version"]
    older = record.model_dump(mode="json") | {"key": key, "condition_version": "1"}
    path = tmp_path / f"{record.run_id}.json.gz"
    path.write_bytes(gzip.compress(json.dumps(older).encode()))

    assert read_one(path).key == record.key.model_copy(
        update={"condition": "leak", "condition_version": "1"}
    )


def test_clean_runs_have_the_ids_that_keys_without_a_conditions_version_have() -> None:
    key = make_record().key
    older = {n: v for n, v in key.model_dump(mode="json").items() if n != "condition_version"}

    assert key.run_id == digest(older)[:16]
    assert key.model_copy(update={"condition_version": "2"}).run_id != key.run_id
