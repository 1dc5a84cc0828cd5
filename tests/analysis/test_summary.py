from __future__ import annotations

import json

import pytest

from fleetgym.analysis.summary import banner, summarize
from fleetgym.contracts.record import Outcome, RunRecord, Usage
from synthetic import key, record, suite


def test_a_row_says_what_its_runs_did() -> None:
    usage = Usage(steps=3, model_calls=4, input_tokens=10, output_tokens=2, peak_memory_bytes=7)
    records = [
        record(key(seed=0), usage=usage),
        record(key(seed=1), outcome=Outcome.FAILURE, rewards=(0.5,), usage=usage),
    ]
    (row,) = summarize(records).rows
    assert (row.name, row.runs, row.voids) == ("langgraph@1.2.22/single", 2, 0)
    assert (row.success.value, row.score.value, row.reward) == (0.5, 0.75, 0.75)
    assert (row.steps, row.model_calls, row.input_tokens, row.peak_memory_bytes) == (3, 4, 10, 7)
    assert row.outcomes == {"success": 1, "failure": 1}
    assert row.score.low < row.score.value < row.score.high


def test_versions_and_topologies_are_rows_of_their_own_best_score_first() -> None:
    records = [
        record(key(framework_version="1.1"), rewards=(0.2,)),
        record(key(framework_version="1.2"), rewards=(0.9,)),
        record(key(framework_version="1.2", topology="supervisor"), rewards=(0.5,)),
    ]
    assert [row.name for row in summarize(records).rows] == [
        "langgraph@1.2/single",
        "langgraph@1.2/supervisor",
        "langgraph@1.1/single",
    ]


def test_void_runs_are_in_no_mean_and_are_said() -> None:
    records = [record(key(seed=0)), record(key(seed=1), outcome=Outcome.VOID, rewards=())]
    comparison = summarize(records)
    (row,) = comparison.rows
    assert (row.runs, row.voids, row.success.value, row.score.value) == (1, 1, 1.0, 1.0)
    assert row.outcomes == {"success": 1, "void": 1}
    assert comparison.notes == ("langgraph@1.2.22/single has 1 void run, in no mean.",)


def test_a_framework_that_lacks_instances_is_noted() -> None:
    records = [
        *(record(key(seed=seed)) for seed in range(3)),
        record(key(framework="crewai", seed=0)),
        record(key(framework="crewai", seed=1), outcome=Outcome.VOID),
    ]
    (note,) = summarize(records).notes
    assert note == (
        "crewai@1.2.22/single lacks 2 of 3 instances (1 void run); the means of its row are over "
        "other instances than those of the others."
    )


def test_a_framework_with_void_runs_alone_has_no_row() -> None:
    comparison = summarize([record(outcome=Outcome.VOID, rewards=())])
    assert (comparison.rows, comparison.voids) == ((), (("langgraph@1.2.22/single", 1),))


def test_the_expert_is_the_ceiling_and_no_row() -> None:
    comparison = summarize([record(), record(key(framework="reference"), rewards=(0.9,))])
    assert (len(comparison.rows), comparison.ceiling, comparison.runs) == (1, 0.9, 2)


def test_means_over_several_models_are_noted() -> None:
    notes = summarize([record(), record(key(model="policy/erratic"))]).notes
    assert notes == ("Means are over several models: policy/competent, policy/erratic.",)


@pytest.mark.parametrize(
    ("models", "line"),
    [
        pytest.param(["gpt-x"], "model: gpt-x", id="a language model"),
        pytest.param(
            ["policy/expert"],
            "model: policy/expert (reference policy of known skill, no language model)",
            id="a policy",
        ),
        pytest.param(
            ["policy/expert", "gpt-x"],
            "models: gpt-x, policy/expert "
            "(policy/expert: reference policy of known skill, no language model)",
            id="both",
        ),
    ],
)
def test_the_banner_says_when_the_model_was_a_policy(models: list[str], line: str) -> None:
    assert banner([record(key(model=model)) for model in models]) == line


def test_a_comparison_is_json_and_counts_all_runs() -> None:
    records = suite(seeds=1)
    document = json.loads(json.dumps(summarize(records).to_json()))
    assert document["runs"] == len(records)
    assert {row["name"].partition("@")[0] for row in document["rows"]} == {
        "autogen",
        "crewai",
        "langchain",
        "langgraph",
    }


def test_rows_with_equal_scores_have_equal_intervals_in_whatever_order_runs_finished() -> None:
    scores = {("a", 0): 0.1, ("a", 1): 0.9, ("b", 0): 0.4, ("b", 1): 0.5, ("b", 2): 0.95}

    def runs(framework: str) -> list[RunRecord]:
        return [
            record(key(framework=framework, scenario=scenario, seed=seed), rewards=(score,))
            for (scenario, seed), score in scores.items()
        ]

    one, other = summarize([*runs("langgraph"), *reversed(runs("crewai"))]).rows
    assert one.score == other.score
