"""What the four frameworks make of faults, in their own environments; they differ, and how."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetgym.records.store import scan

Run = Callable[..., subprocess.CompletedProcess[str]]

FRAMEWORKS = ("autogen", "crewai", "langchain", "langgraph")
FAULTS = """\
conditions: ["faults/*"]
budget: {steps: 30}
parameters:
  autogen: {timeout_s: 2, max_rounds: 8}
  crewai: {timeout_s: 2, max_rounds: 8}
  langchain: {timeout_s: 2, max_rounds: 8}
  langgraph: {timeout_s: 2, max_rounds: 8}
faults:
  rate-limit: {model: [{fault: rate_limit, at: [2], retry_after_s: 0.2}]}
  out-of-order: {model: [{fault: server_error, since: 2}]}
  hangs: {model: [{fault: time_out, at: [2], seconds: 30}]}
  cut-off: {model: [{fault: cut_off, at: [2]}]}
  html: {model: [{fault: html, at: [2]}]}
  empty: {model: [{fault: empty_message, at: [2]}]}
  malformed: {model: [{fault: malformed_arguments, at: [2]}]}
  loop: {model: [{fault: repeat, since: 2}]}
  tool-fails: {tools: [{fault: error, at: [1]}]}
  tool-raises: {tools: [{fault: unreachable, at: [1]}]}
"""
RETRIED, WENT_ON = (1, 2, "retried", True), (1, 1, "went_on", True)
RAISED, ENDED = (1, 1, "raised", False), (1, 1, "ended", False)
# Faults, attempts, what then, recovered: in the order of the frameworks.
REACTIONS = {
    "rate-limit": (RETRIED,) * 4,
    "out-of-order": ((3, 3, "raised", False),) * 4,
    "hangs": (RETRIED,) * 4,
    "cut-off": (RETRIED,) * 4,
    "html": (RAISED,) * 4,
    "empty": (ENDED, RAISED, ENDED, ENDED),
    "malformed": (WENT_ON, WENT_ON, ENDED, ENDED),
    "loop": (
        (7, 1, "ended", False),
        (4, 1, "raised", False),
        (8, 1, "ended", False),
        (8, 1, "raised", False),
    ),
    "tool-fails": ((1, 2, "went_on", True),) * 4,
    "tool-raises": ((1, 2, "went_on", True),) * 2 + (RAISED,) * 2,
}


@pytest.mark.frameworks
def test_what_frameworks_make_of_faults_is_seen_from_outside(
    suite: Callable[..., Path], fleetgym: Run, tmp_path: Path
) -> None:
    out = tmp_path / "runs"
    done = fleetgym("run", suite(", ".join(FRAMEWORKS), "0", more=FAULTS), "--out", out)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, tuple[int, int, str, bool]]] = {}
    for record in scan(out).records:
        (fault,) = record.faults
        seen = fault.injected, fault.attempts, fault.reaction.value, fault.recovered
        found.setdefault(record.key.condition.removeprefix("faults/"), {})[record.key.framework] = (
            seen
        )
        if fault.kind == "rate_limit":
            assert 0.2 <= fault.waited_s < 1
        if fault.kind == "time_out":
            assert record.model_calls[1].latency_s == pytest.approx(2, abs=0.9)
        assert record.manifest["faults"]
    assert found == {
        name: dict(zip(FRAMEWORKS, expected, strict=True)) for name, expected in REACTIONS.items()
    }

    compared = fleetgym("compare", out)
    assert "faults, and what came of them" in compared.stdout
    assert fleetgym("report", out, "--out", tmp_path / "report.html").returncode == 0
    assert "what came of them" in (tmp_path / "report.html").read_text()
