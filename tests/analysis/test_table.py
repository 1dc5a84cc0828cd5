from __future__ import annotations

import pytest

from fleetgym.analysis.summary import summarize
from fleetgym.analysis.table import comparison_text, quantity
from fleetgym.contracts.record import Outcome
from synthetic import key, record, suite


def test_the_first_line_says_which_model_answered() -> None:
    assert comparison_text(summarize([record()])).splitlines()[0] == (
        "model: policy/competent (reference policy of known skill, no language model)"
    )


@pytest.mark.parametrize("width", [80, 100])
def test_every_row_fits_on_one_line(width: int) -> None:
    lines = comparison_text(summarize(suite()), width).splitlines()
    rows = [line for line in lines if line.startswith("crewai@1.15.2/single ")]
    assert len(rows) == 3
    assert all(len(line) <= width for line in lines)


def test_a_name_from_a_plugin_is_no_markup() -> None:
    name = "[red]x[/red]"
    assert f"{name}@1.2.22/single" in comparison_text(summarize([record(key(framework=name))]))


def test_a_framework_that_never_ran_is_listed() -> None:
    text = comparison_text(summarize([record(outcome=Outcome.VOID)]))
    assert "langgraph@1.2.22/single: all 1 runs void" in text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (999.4, "999"), (1000, "1.0k"), (2_500_000, "2.5M")]
)
def test_large_counts_are_short(number: float, text: str) -> None:
    assert quantity(number) == text
