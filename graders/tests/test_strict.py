from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fleetgym.contracts.scoring import Step, score, validate_weights
from fleetgym.contracts.tools import ToolResult
from fleetgym_graders.strict import StrictGrader

if TYPE_CHECKING:
    from collections.abc import Sequence
from graders_world import (
    ATTACK,
    REPORTS,
    TRUTH,
    answer,
    execute,
    perfect,
    read_tag,
    row,
    rule,
    sandbox,
    select,
    step,
    submit,
    value,
)
from hypothesis import given
from hypothesis import strategies as st

CHECKPOINTS = StrictGrader().checkpoints(TRUTH)


def part(name: str, steps: list[Step]) -> float:
    return score(CHECKPOINTS, steps).parts[name]


def results(query: str, submitted: list[Any]) -> float:
    return part("C4_query_results", [submit(answer(query, submitted))])


def test_the_weights_sum_to_one() -> None:
    validate_weights(CHECKPOINTS)


def test_an_expert_earns_everything() -> None:
    assert score(CHECKPOINTS, perfect()).value == pytest.approx(1.0)


def test_rewards_of_an_episode_sum_to_its_score() -> None:
    steps = perfect()
    values = [score(CHECKPOINTS, steps[:n]).value for n in range(len(steps) + 1)]
    rewards = [after - before for before, after in itertools.pairwise(values)]
    assert rewards == pytest.approx([0.125, 0.1, 0.0, 0.05, 0.725])


def test_a_recorded_trajectory_is_graded_alike_without_a_sandbox() -> None:
    steps = perfect()
    replayed = [
        Step(call=s.call, result=s.result, facts=json.loads(json.dumps(s.facts))) for s in steps
    ]
    assert score(CHECKPOINTS, replayed) == score(CHECKPOINTS, steps)


@pytest.mark.parametrize(
    ("tags", "reached"),
    [
        pytest.param(["cron"], 1.0, id="the right tag"),
        pytest.param(["cron", "linux", "CRON "], 1.0, id="right tags, one twice"),
        pytest.param(["cron", "phishing"], 0.5, id="one of two is wrong"),
        pytest.param(["cron", "nonsense"], 0.5, id="an unknown tag is wrong"),
        pytest.param(["phishing"], 0.0, id="the report was not read"),
        pytest.param([], 0.0, id="no search"),
    ],
)
def test_cti_alignment_is_reports_read_times_tags_right(tags: list[str], reached: float) -> None:
    assert part("C0_cti_alignment", [read_tag(tag) for tag in tags]) == reached


def test_a_report_named_elsewhere_was_not_read() -> None:
    elsewhere = step("search_cti_reports", {"query": "cron"}, json.dumps(REPORTS["cron"]))
    assert part("C0_cti_alignment", [elsewhere]) == 0.0


def test_a_report_in_a_refusal_was_not_read() -> None:
    refused = step(
        "get_cti_reports_by_tag", {"tag": "cron"}, json.dumps(REPORTS["cron"]), error=True
    )
    assert part("C0_cti_alignment", [refused]) == 0.0


@pytest.mark.parametrize(
    ("tables", "reached"),
    [
        pytest.param(["DeviceProcessEvents", "deviceprocessevents"], 1.0, id="only the right one"),
        pytest.param(["DeviceProcessEvents", "AuditLogs"], 0.5, id="one too many"),
        pytest.param(["AuditLogs"], 0.0, id="the wrong one"),
    ],
)
def test_data_exploration_is_true_jaccard(tables: list[str], reached: float) -> None:
    opened = [step("sample_table_data", {"table_name": name}) for name in tables]
    assert part("C2_data_exploration", opened) == reached


def test_a_refused_call_opens_no_table() -> None:
    refused = step("get_table_schema", {"table_name": "DeviceProcessEvents"}, "no", error=True)
    assert part("C2_data_exploration", [refused]) == 0.0


EMPTY = '{"Tables": [{"Rows": []}]}'
KQL, SQL = "execute_kql_query", "execute_sql_query"
GOOD = execute(KQL, select(3))


@pytest.mark.parametrize(
    ("other", "reached"),
    [
        pytest.param(execute(KQL, select(11)), 1.0, id="another query"),
        pytest.param(execute(SQL, select(11)), 1.0, id="in SQL"),
        pytest.param(GOOD, 0.0, id="the same"),
        pytest.param(
            step(KQL, {"query": f"{select(3).upper()}  // again"}, GOOD.result.content),
            0.0,
            id="the same but for blanks, case and a comment",
        ),
        pytest.param(execute(KQL, select(3, table="AuditLogs")), 0.0, id="of another table"),
        pytest.param(
            step(KQL, {"query": "AuditLogs // DeviceProcessEvents"}, GOOD.result.content),
            0.0,
            id="naming the table in a comment",
        ),
        pytest.param(
            step(KQL, {"query": 'print "DeviceProcessEvents"'}, GOOD.result.content),
            0.0,
            id="naming the table in a string",
        ),
        pytest.param(step(KQL, {"query": select(11)}, EMPTY), 0.0, id="empty"),
        pytest.param(step(KQL, {"query": select(11)}, "no such", error=True), 0.0, id="refused"),
    ],
)
def test_query_execution_takes_two_different_fruitful_queries(other: Step, reached: float) -> None:
    assert part("C3_query_execution", [GOOD, other]) == reached


@pytest.mark.parametrize(
    "query", ['"' + r"\"" * 50_000, "/*" * 50_000, "'" * 99_999, "//" * 50_000]
)
def test_hostile_queries_are_read_in_linear_time(query: str) -> None:
    steps = [step(tool, {"query": query}, GOOD.result.content) for tool in (KQL, SQL)]
    assert part("C3_query_execution", steps) == 0.0


@pytest.mark.parametrize(
    ("query", "submitted", "reached"),
    [
        pytest.param(select(*ATTACK), ATTACK, 1.0, id="all rows, faithfully"),
        pytest.param(select(*ATTACK[:2]), ATTACK[:2], 2 / 3, id="half of the attack"),
        pytest.param(select(*ATTACK, 4, 5, 6, 7), (*ATTACK, 4, 5, 6, 7), 2 / 3, id="half noise"),
        pytest.param(select(*ATTACK), ATTACK[:2], 2 / 3, id="half of the result reported"),
        pytest.param(select(*ATTACK), (4, 5), 0.0, id="rows of another query"),
        pytest.param(select(4, 5), ATTACK, 0.0, id="a query that finds other rows"),
        pytest.param(select(), ATTACK, 0.0, id="more than a thousand rows"),
        pytest.param("NoSuchTable", ATTACK, 0.0, id="a query that fails"),
    ],
)
def test_query_results_multiply_what_is_found_with_what_is_reported(
    query: str, submitted: tuple[int, ...], reached: float
) -> None:
    assert results(query, [row(n) for n in submitted]) == pytest.approx(reached)


def test_rows_of_another_table_count_against_the_query() -> None:
    query = f"{select(*ATTACK)}; {select(1, 2, 4, 5, table='AuditLogs')}"
    rows = [row(n) for n in (*ATTACK, 1, 2, 4, 5)]
    assert results(query, rows) == pytest.approx(2 / 3)


def test_a_result_that_cannot_tell_rows_apart_counts_as_all_of_them() -> None:
    query = f"{select(*ATTACK, 4)} | project DeviceName"
    assert results(query, [{"DeviceName": row(n)["DeviceName"]} for n in (*ATTACK, 4)]) == 0.0


@pytest.mark.parametrize(
    ("sigma", "reached"),
    [
        pytest.param(rule(select(*ATTACK)), 1.0, id="finds the attack"),
        pytest.param(rule(select(*ATTACK), issue="high: dangling"), 0.875, id="with an issue"),
        pytest.param(rule(select(*ATTACK), issue="low: number"), 1.0, id="with a small issue"),
        pytest.param(rule(select(*ATTACK[:2])), 2 / 3, id="finds half"),
        pytest.param(rule(select(4, 5)), 0.0, id="finds other rows"),
        pytest.param(rule(select()), 0.0, id="fires on everything"),
        pytest.param("title: x", 0.0, id="does not parse"),
    ],
)
def test_sigma_quality_is_what_the_rule_finds_less_what_is_wrong_with_it(
    sigma: str, reached: float
) -> None:
    steps = [submit(answer(select(*ATTACK), [row(3)], sigma))]
    assert part("C4_sigma_quality", steps) == pytest.approx(reached)


@pytest.mark.parametrize(
    ("tags", "reached"),
    [
        pytest.param(["t1053.003"], 1.0, id="exact"),
        pytest.param(["t1053"], 0.5, id="parent"),
        pytest.param(["t1053.003", "t1098", "t1059"], 1 / 3, id="two too many"),
        pytest.param([], 0.0, id="untagged"),
    ],
)
def test_threat_context_is_read_from_the_rule(tags: list[str], reached: float) -> None:
    sigma = rule(select(*ATTACK), *tags)
    assert part("C1_threat_context", [submit(answer(select(3), [row(3)], sigma))]) == reached


@pytest.mark.parametrize(
    ("query", "found", "reached"),
    [
        pytest.param(select(4), select(4), 0.0, id="nothing found"),
        pytest.param(select(), select(), 0.0, id="everything found"),
        pytest.param(select(*ATTACK), select(4), 1.0, id="by the query"),
        pytest.param(select(4), select(*ATTACK[:2]), 2 / 3, id="by the rule, in part"),
    ],
)
def test_techniques_are_worth_what_was_found_of_the_attack(
    query: str, found: str, reached: float
) -> None:
    steps = [submit(answer(query, [row(4)], rule(found, "t1053.003")))]
    assert part("C1_threat_context", steps) == pytest.approx(reached)


def test_a_tool_result_too_large_to_read_is_no_detection() -> None:
    artifact = json.loads(answer(select(*ATTACK), [row(n) for n in ATTACK]))
    facts = StrictGrader().examine(artifact, lambda _: ToolResult('{"ok": true, "rows": [[1,'))
    assert (facts["kql"]["ok"], facts["sigma"]["parsed"]) == (False, False)


def test_facts_stay_small_when_everything_matches() -> None:
    everything = submit(answer(select(), [row(3)], rule(select(), *["t1053"] * 5000)))
    assert len(json.dumps(dict(everything.facts))) < 1000


ROWS = st.lists(st.integers(0, 40), min_size=1, max_size=12)


@given(ROWS, st.randoms())
def test_the_order_of_rows_is_irrelevant(numbers: list[int], random: Any) -> None:
    shuffled = list(numbers)
    random.shuffle(shuffled)
    query = select(*sorted(set(numbers)))
    rows = [row(n) for n in numbers]
    assert results(query, rows) == results(query, [row(n) for n in shuffled])


@given(ROWS, st.integers(0, 40))
def test_reporting_a_row_that_the_query_does_not_return_never_helps(
    numbers: list[int], wrong: int
) -> None:
    query = select(*(set(numbers) - {wrong} or {1}))
    rows = [row(n) for n in numbers if n != wrong] or [row(2)]
    assert results(query, [*rows, row(wrong)]) <= results(query, rows)


@given(
    st.sets(st.integers(0, 40), min_size=1), st.integers(0, 40).filter(lambda n: n not in ATTACK)
)
def test_finding_one_more_benign_row_never_helps(numbers: set[int], benign: int) -> None:
    fewer, more = sorted(numbers), sorted(numbers | {benign})
    assert results(select(*more), [row(n) for n in more]) <= results(
        select(*fewer), [row(n) for n in fewer]
    )


# What an agent may try instead of the work, and what that is worth at most.
EVERYTHING = [
    *(read_tag(tag) for tag in REPORTS),
    *(step("get_table_schema", {"table_name": f"T{n}"}) for n in range(11)),
    step("get_table_schema", {"table_name": "DeviceProcessEvents"}),
    execute(KQL, select()),
    execute(KQL, f"{select()} | project DeviceName"),
]
ALL_TECHNIQUES = [f"t{number}" for number in range(1001, 1200)]


def hand_in(numbers: Sequence[int], *tags: str) -> Step:
    """Submit one set of rows as query, as result and as rule."""
    found = select(*numbers)
    return submit(answer(found, [row(n) for n in numbers], rule(found, *tags)))


GAMES = [
    pytest.param([], 0.0, id="doing nothing"),
    pytest.param(EVERYTHING, 0.15, id="opening everything, submitting nothing"),
    pytest.param(
        [*EVERYTHING, submit(answer(select(), [row(3)], rule(select(), *ALL_TECHNIQUES)))],
        0.15,
        id="naming everything",
    ),
    pytest.param(
        [submit(answer("NoSuchTable", [{"Invented": "crontab web-1"}], "title: x"))],
        0.0,
        id="rows of invented columns",
    ),
    pytest.param(
        [submit(answer("NoSuchTable", [row(n) for n in ATTACK], rule(select(4), "t1053.003")))],
        0.0,
        id="the right rows without a query that finds them",
    ),
    pytest.param(
        [execute(KQL, select(3)), execute(KQL, select(4)), hand_in([3])],
        0.31,
        id="one attack row alone",
    ),
    pytest.param([hand_in(range(30, 34), "t1053.003")], 0.0, id="the answer of another instance"),
    pytest.param(
        [read_tag("cron"), *[step("get_table_schema", {"table_name": "DeviceProcessEvents"})] * 20],
        0.225,
        id="repeating what paid once",
    ),
]


@pytest.mark.parametrize(("steps", "bound"), GAMES)
def test_games_earn_little(steps: list[Step], bound: float) -> None:
    assert value(steps) <= bound + 1e-9


def test_the_readme_lists_every_game_with_its_bound() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert all(f"| {game.id} | {game.values[1]:g} |" in readme for game in GAMES)


def test_the_hidden_tools_are_called_once_each() -> None:
    calls: list[str] = []

    def counting(call: Any) -> ToolResult:
        calls.append(call.name)
        return sandbox(call)

    StrictGrader().examine(json.loads(answer(select(3), [row(3)])), counting)
    assert calls == ["grade_kql", "grade_sigma"]
