from __future__ import annotations

from fleetgym.analysis.trajectory import trajectory_text, visible
from fleetgym.contracts.record import Outcome
from synthetic import HOSTILE, record, suite


def test_a_run_is_told_from_its_model_to_its_score() -> None:
    run = next(run for run in suite() if run.outcome is Outcome.SUCCESS)
    text = trajectory_text(run, 80)
    assert text.startswith("model: policy/competent (reference policy")
    assert f"run {run.run_id}" in text
    assert "C2_data_exploration +1.00" in text
    assert "success: Submitted." in text
    assert max(map(len, text.splitlines())) <= 80


def test_rewards_are_summed_step_by_step() -> None:
    text = trajectory_text(record(rewards=(0.25, -0.05)))
    assert "+0.250  Σ 0.250" in text
    assert "-0.050  Σ 0.200" in text


def test_long_results_are_cut_unless_asked_for_whole() -> None:
    run = record()
    step = run.steps[0].model_copy(update={"content": "x" * 5000})
    run = run.model_copy(update={"steps": [step]})
    assert "… 4300 more characters" in trajectory_text(run)
    assert trajectory_text(run, full=True).count("x") >= 5000


def test_what_an_agent_wrote_cannot_drive_the_terminal() -> None:
    run = record(detail=HOSTILE)
    step = run.steps[0].model_copy(update={"content": HOSTILE, "said": HOSTILE, "name": "[b]\x1b"})
    text = trajectory_text(run.model_copy(update={"steps": [step]}))
    assert "\x1b" not in text
    assert text.count(r"\x1b[2J") == 3


def test_control_characters_are_shown_and_text_is_kept() -> None:
    assert visible("a\tb\nÄ 漢 🎯\x07\x9b") == "a\tb\nÄ 漢 🎯\\x07\\x9b"
