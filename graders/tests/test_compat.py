from __future__ import annotations

import json
from typing import Any

import pytest
from graders_world import ATTACK, COLUMNS, TRUTH, answer, execute, kusto, row, select, step

from fleetgym.contracts.errors import ModelError, ToolError
from fleetgym.contracts.scoring import Step, score, validate_weights
from fleetgym.contracts.tools import SUBMIT, ToolCall, ToolResult
from fleetgym_graders.compat import AlignmentCase, CompatGrader, SigmaOpinion
from fleetgym_graders.compat_answer import parse_answer

CHECKPOINTS = CompatGrader().checkpoints(TRUTH)
SEEN = [execute("execute_kql_query", select(*ATTACK)), execute("execute_kql_query", select(4))]


def submit(text: str, said: str = "") -> Step:
    call = ToolCall(SUBMIT, {"answer": text})
    return Step(call=call, result=ToolResult("Submitted."), said=said)


def part(name: str, steps: list[Step]) -> float:
    return score(CHECKPOINTS, steps).parts[name]


def f1_of(rows: list[Any]) -> float:
    return part("C4_query_results", [*SEEN, submit(answer("never executed", rows))])


def test_the_weights_sum_to_one() -> None:
    validate_weights(CHECKPOINTS)


def test_without_a_judge_the_highest_score_is_0_725() -> None:
    steps = [
        step("get_table_schema", {"table_name": "DeviceProcessEvents"}),
        *SEEN,
        submit(answer("any", [row(3)])),
    ]
    assert score(CHECKPOINTS, steps).value == pytest.approx(0.725)


@pytest.mark.parametrize(
    ("said", "reached"),
    [
        pytest.param("This is attack.t1053.003, plainly.", 1.0, id="any spelling"),
        pytest.param("T1001 T1002 T1003 T1053.003 T1098", 1.0, id="naming more costs nothing"),
        pytest.param("T1053", 0.0, id="a parent is not credited"),
        pytest.param("", 0.0, id="silence"),
    ],
)
def test_threat_context_is_recall_over_what_the_model_wrote(said: str, reached: float) -> None:
    steps = [Step(call=ToolCall("list_kusto_tables"), result=ToolResult("T1053.003"), said=said)]
    assert part("C1_threat_context", steps) == reached


def test_data_exploration_is_recall_and_takes_failing_calls() -> None:
    tables = ["Nonsense", "AuditLogs", "DEVICEPROCESSEVENTS"]
    steps = [step("get_table_schema", {"table_name": name}, "no", error=True) for name in tables]
    assert part("C2_data_exploration", steps) == 1.0


@pytest.mark.parametrize(
    ("second", "reached"),
    [
        pytest.param("a | where x == 2", 1.0, id="different"),
        pytest.param("A |  WHERE x == 1", 0.0, id="blanks and letter case"),
        pytest.param("A | where x == 1 // again", 1.0, id="a comment makes it different"),
    ],
)
def test_query_execution_takes_two_unique_queries_with_rows(second: str, reached: float) -> None:
    steps = [
        step("execute_kql_query", {"query": query}, kusto(list(COLUMNS), [["a", "b", 1]]))
        for query in ("A | where x == 1", second)
    ]
    assert part("C3_query_execution", steps) == reached


@pytest.mark.parametrize(
    ("rows", "value"),
    [
        pytest.param([row(3)], 1.0, id="one perfect row"),
        pytest.param([row(3), row(4)], 6 / 7, id="a row that fits one pattern of two"),
        pytest.param([row(3), {}], 2 / 3, id="one perfect and one empty row"),
        pytest.param([{"X": 1, "FILENAME": "crontab"}], 0.5, id="an invented column is ignored"),
        pytest.param([{"FileName": "crontab", "ReportId": 4}], 0.0, id="a row nobody saw"),
        pytest.param([row(3), "web-1"], 0.0, id="a row that is no object"),
        pytest.param([], 0.0, id="no rows"),
    ],
)
def test_query_results_are_f1_over_fields_of_rows_seen(rows: list[Any], value: float) -> None:
    assert f1_of(rows) == pytest.approx(value)


def test_rows_of_invented_columns_alone_pass_the_provenance_check() -> None:
    truth = {**TRUTH.to_json(), "patterns": {"Invented": "x"}}
    checkpoints = CompatGrader().checkpoints(type(TRUTH).from_json(truth))
    steps = [*SEEN, submit(answer("", [{"Invented": "x"}]))]
    assert score(checkpoints, steps).parts["C4_query_results"] == 1.0


def test_a_broken_pattern_hits_nothing() -> None:
    truth = {**TRUTH.to_json(), "patterns": {"FileName": "(", "DeviceName": "web"}}
    checkpoints = CompatGrader().checkpoints(type(TRUTH).from_json(truth))
    steps = [*SEEN, submit(answer("", [row(3)]))]
    assert score(checkpoints, steps).parts["C4_query_results"] == 0.5


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        pytest.param('```json\n{"a": 1}\n```', {"a": 1}, id="fence"),
        pytest.param('{"unrelated": 1}', {"unrelated": 1}, id="any object"),
        pytest.param("[1]", {}, id="other JSON"),
        pytest.param("I give up.", {}, id="prose"),
        pytest.param(
            'Done: {"kql_query": "A\\n| take 1", "query_results": [{"a": 1}]} Bye',
            {"kql_query": "A\n| take 1", "query_results": [{"a": 1}]},
            id="prose around",
        ),
        pytest.param(
            "{'sigma_rule': 'x', 'query_results': [{\"a\": 1}], }",
            {"sigma_rule": "x", "query_results": [{"a": 1}]},
            id="single quotes",
        ),
        pytest.param('{"query_results": [{"a": [1], "b": 2}],}', {}, id="array inside a row"),
    ],
)
def test_an_answer_is_parsed_as_the_reference_parses_it(text: str, fields: dict[str, Any]) -> None:
    assert parse_answer(text) == fields


@pytest.mark.parametrize(
    "text",
    [
        " " * 200_000,
        '"query_results": [' * 20_000,
        "[" * 200_000,
        '"sigma_rule": "' + '\\"' * 99_999,
    ],
)
def test_hostile_answers_are_read_in_linear_time(text: str) -> None:
    assert parse_answer(f"x{text}x") == {}


def test_an_answer_in_which_nothing_is_found_loses_the_trajectory_too() -> None:
    steps = [*SEEN, step("get_table_schema", {"table_name": "DeviceProcessEvents"})]
    before = score(CHECKPOINTS, steps).value
    after = score(CHECKPOINTS, [*steps, submit("I could not find it. T1053.003")]).value
    assert (before, after) == (pytest.approx(0.15), 0.0)


def test_prose_before_the_answer_leaves_only_the_search_by_field() -> None:
    nested = answer("any", [{**row(3), "More": [1]}])
    steps = [*SEEN, submit(nested)]
    assert part("C4_query_results", steps) == 1.0
    assert part("C4_query_results", [*SEEN, submit(nested, said="Here it is:")]) == 0.0


def test_only_a_blank_answer_is_refused() -> None:
    assert CompatGrader().read("nonsense") == {"answer": "nonsense"}
    with pytest.raises(ToolError):
        CompatGrader().read(" \n")


class _Judge:
    def __init__(self) -> None:
        self.asked: list[AlignmentCase | str] = []

    def alignment(self, case: AlignmentCase) -> float:
        self.asked.append(case)
        return 0.8

    def sigma(self, objective: str, rule: str) -> SigmaOpinion:
        self.asked.append(rule)
        return SigmaOpinion(syntax=1.0, specificity=0.6)


class _Mute(_Judge):
    def alignment(self, case: AlignmentCase) -> float:
        raise ModelError("no answer")


TAGGED = [
    step("get_cti_reports_by_tag", {"tag": "cron"}, '[{"title": "Cron"}]'),
    step("search_sigma_rules", {}, '{"rules": [{"title": "A rule"}]}'),
    submit('{"sigma_rule": "title: x"}', said=""),
]


def test_a_judge_is_asked_once_and_after_the_submission() -> None:
    judge = _Judge()
    checkpoints = CompatGrader(judge).checkpoints(TRUTH)
    values = [score(checkpoints, TAGGED[:n]).value for n in (1, 2, 3, 3)]
    assert values == pytest.approx([0, 0, 0.125 * 0.8 + 0.15 * 0.7, 0.125 * 0.8 + 0.15 * 0.7])
    assert judge.asked == [
        AlignmentCase(
            objective="",
            tags=("cron",),
            titles=("Cron", "A rule"),
            said=('{"sigma_rule": "title: x"}',),
        ),
        "title: x",
    ]


def test_a_judge_without_an_answer_scores_the_research_zero() -> None:
    parts = score(CompatGrader(_Mute()).checkpoints(TRUTH), TAGGED).parts
    assert (parts["C0_cti_alignment"], parts["C4_sigma_quality"]) == (0.0, pytest.approx(0.7))


def test_no_search_by_tag_is_scored_without_asking() -> None:
    judge = _Judge()
    steps = [step("list_cti_report_tags", {}), submit(json.dumps({"kql_query": "x"}))]
    assert score(CompatGrader(judge).checkpoints(TRUTH), steps).value == 0.0
    assert judge.asked == []
