"""Suites run for real: frameworks in their own environments, lanes, sandboxes, records."""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from fleetgym.contracts.record import FailureCategory, Outcome
from fleetgym.records.store import scan

pytestmark = pytest.mark.frameworks

Run = Callable[..., subprocess.CompletedProcess[str]]

ALL = "langchain, langgraph, autogen, crewai"


def test_four_frameworks_play_the_same_episode_and_are_measured(
    suite: Callable[..., Path], fleetgym: Run, tmp_path: Path
) -> None:
    out = tmp_path / "runs"

    done = fleetgym("run", suite(ALL, "3", reference=True), "--out", out, "--json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["runs"]
    assert {run["framework"]: run["score"] for run in told} == dict.fromkeys(
        ("langchain", "langgraph", "autogen", "crewai", "reference"), 1.0
    )
    records = scan(out).records
    for record in records:
        assert [step.name for step in record.steps] == ["look", "submit"]
        assert sum(step.reward for step in record.steps) == pytest.approx(1.0)
        assert record.task == "Find number 3."
        if record.key.framework != "reference":
            assert record.usage.model_calls == 3
            assert record.usage.input_tokens > 0
            assert record.usage.cpu_s > 0
            assert record.usage.peak_memory_bytes > 10_000_000
            assert record.worker.versions[_distribution(record.key.framework)] == (
                record.key.framework_version
            )
        (trace,) = json.loads((out / "traces" / f"{record.run_id}.jsonl").read_text())[
            "resourceSpans"
        ]
        names = [span["name"] for span in trace["scopeSpans"][0]["spans"]]
        assert names.count("execute_tool submit") == 1
        assert names.count(f"chat {record.key.model}") == record.usage.model_calls


def _distribution(framework: str) -> str:
    return {"autogen": "autogen-agentchat"}.get(framework, framework)


@pytest.mark.parametrize(
    ("number", "times"),
    [
        (signal.SIGKILL, 2),
        pytest.param(signal.SIGKILL, 10, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 4, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 4, marks=pytest.mark.slow),
    ],
)
def test_a_suite_that_is_killed_loses_and_repeats_no_run_and_leaves_nothing_behind(
    suite: Callable[..., Path], fleetgym: Run, tmp_path: Path, number: signal.Signals, times: int
) -> None:
    path, out = suite(seeds="0-39"), tmp_path / "runs"
    kept: dict[str, bytes] = {}
    mounts = Path("/proc/self/mountinfo").read_text()
    # A short path, as sockets are made there.
    with tempfile.TemporaryDirectory(prefix="t") as temporary, adopting() as ended:
        for time in range(times):
            code = _run_until(
                number,
                None if time % 2 else len(kept) + 1,
                ["run", str(path), "--out", str(out)],
                temporary,
            )
            assert code in {-signal.SIGKILL, 128 + number}
            kept |= {p.name: p.read_bytes() for p in (out / "records").glob("*.json.gz")}

        done = fleetgym("run", path, "--out", out, environment={"TMPDIR": temporary})

        ended()
        assert done.returncode == 0, done.stderr
        assert list(Path(temporary).iterdir()) == []
    assert Path("/proc/self/mountinfo").read_text() == mounts
    final = {p.name: p.read_bytes() for p in (out / "records").glob("*.json.gz")}
    assert len(final) == 40
    assert {name: final[name] for name in kept} == kept
    assert list(out.rglob(".making-*")) == []
    assert scan(out).problems == []
    assert {record.outcome for record in scan(out).records} == {Outcome.SUCCESS}


# A job that a shell has put into the background ignores SIGINT, and so do its children.
_HEARS_SIGNALS = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from fleetgym.cli import main; main()"
)


def _run_until(
    number: signal.Signals, finished: int | None, asked: Sequence[str], temporary: str
) -> int:
    """Run a suite, send its runner a signal once so many runs are finished, return its exit code.

    Args:
        number: The signal.
        finished: How many; None for none, while frameworks and lanes are being started.
        asked: The command.
        temporary: Where temporary directories are made.
    """
    runner = subprocess.Popen(
        [sys.executable, "-c", _HEARS_SIGNALS, *asked],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": temporary},
    )
    assert runner.stderr is not None
    for line in runner.stderr:
        if finished is None or ("autogen" in line and f"[{finished}/" in line):
            break
    os.kill(runner.pid, number)
    runner.stderr.read()
    code = runner.wait()
    runner.stderr.close()
    return code


_SET_CHILD_SUBREAPER = 36


@contextlib.contextmanager
def adopting() -> Generator[Callable[[], None]]:
    """Become the parent of what is left behind; yield what waits until all of it has ended."""
    libc = ctypes.CDLL(None)
    before = _children()

    def ended() -> None:
        while left := _children() - before:
            os.waitpid(left.pop(), 0)

    libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield ended
    finally:
        libc.prctl(_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _children() -> set[int]:
    lists = Path("/proc/self/task").glob("*/children")
    return {int(pid) for one in lists for pid in one.read_text().split()}


def test_a_run_that_takes_too_long_is_ended_by_its_budget(
    suite: Callable[..., Path], fleetgym: Run, tmp_path: Path, slow_provider: str
) -> None:
    out = tmp_path / "runs"

    done = fleetgym(
        "run", suite(seeds="0", more="budget: {seconds: 1.5}"), "--out", out,
        "--base-url", slow_provider, "--model", "slow",
        environment={"OPENAI_API_KEY": "sk-for-the-test-alone"},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    (record,) = scan(out).records
    assert record.outcome is Outcome.BUDGET_EXHAUSTED
    assert record.category is FailureCategory.TIMEOUT
    assert record.worker.killed


def test_a_provider_in_place_of_the_policy_is_asked_with_its_own_key(
    suite: Callable[..., Path], fleetgym: Run, tmp_path: Path, provider: "tuple[str, list[str]]"
) -> None:
    url, keys = provider
    out = tmp_path / "runs"

    done = fleetgym(
        "run", suite(ALL, "5"), "--out", out, "--base-url", url, "--model", "finder",
        environment={"OPENAI_API_KEY": "sk-for-the-test-alone"},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    records = scan(out).records
    assert [record.outcome for record in records] == [Outcome.SUCCESS] * 4
    assert {call.estimated for record in records for call in record.model_calls} == {False}
    assert set(keys) == {"Bearer sk-for-the-test-alone"}
    everything = b"".join(p.read_bytes() for p in out.rglob("*") if p.is_file())
    assert b"sk-for-the-test-alone" not in everything


def test_a_provider_that_is_down_is_no_failure_of_the_framework(
    suite: Callable[..., Path], fleetgym: Run, tmp_path: Path
) -> None:
    out = tmp_path / "runs"

    fleetgym(
        "run", suite(seeds="0"), "--out", out, "--base-url", "http://127.0.0.1:9/v1",
        "--model", "gone", environment={"OPENAI_API_KEY": "sk-for-the-test-alone"},
    )  # fmt: skip

    (record,) = scan(out).records
    assert record.outcome is Outcome.MODEL_ERROR


def test_a_harness_that_fails_voids_the_run_and_never_scores_it(
    suite: Callable[..., Path], fleetgym: Run, tmp_path: Path
) -> None:
    out = tmp_path / "runs"

    done = fleetgym(
        "run", suite("langgraph", "0"), "--out", out,
        environment={"FLEETGYM_TINY_BROKEN": "truth"},
    )  # fmt: skip

    assert done.returncode == 4
    assert "1 runs are void" in done.stderr
    (record,) = scan(out).records
    assert (record.outcome, record.score) == (Outcome.VOID, None)
    assert len(list((out / "voids").iterdir())) == 3
    again = fleetgym("run", suite("langgraph", "0"), "--out", out)
    assert again.returncode == 0
    assert scan(out).records[0].outcome is Outcome.SUCCESS
