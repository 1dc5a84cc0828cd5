from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fleetgym.contracts.errors import ToolError
from fleetgym_kb import cti, toolset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.sandbox import ToolFunction

    Tools = Mapping[str, ToolFunction]


def test_every_spec_has_its_function_and_nothing_else_is_offered(tools: Tools) -> None:
    assert [spec.name for spec in toolset.SPECS] == list(tools)


def test_tags_come_most_frequent_first(tools: Tools) -> None:
    answer = json.loads(tools["list_cti_report_tags"]())
    counts = list(answer["tag_counts"].values())
    assert counts == sorted(counts, reverse=True)
    assert answer["available_tags"] == list(answer["tag_counts"])
    assert answer["tag_counts"]["rootkit"] == sum("rootkit" in r.tags for r in cti.load())


def test_a_tag_gives_complete_reports_in_file_order_whatever_its_case(tools: Tools) -> None:
    answer = json.loads(tools["get_cti_reports_by_tag"](tag="RootKit"))
    expected = [r.model_dump(mode="json") for r in cti.load() if "rootkit" in r.tags]
    assert answer == expected


def test_an_unknown_tag_is_answered_with_the_known_ones(tools: Tools) -> None:
    answer = json.loads(tools["get_cti_reports_by_tag"](tag="Rootkits"))
    assert answer["error"] == "No reports found for tag 'Rootkits'"
    assert "rootkit" in answer["available_tags"]


@pytest.mark.parametrize(
    "tactic", ["Command and Control", "command-and-control", "COMMAND AND CONTROL "]
)
def test_a_tactic_gives_its_top_level_techniques(tools: Tools, tactic: str) -> None:
    answer = json.loads(tools["search_mitre_techniques"](tactic=tactic))
    ids = [entry["technique_id"] for entry in answer]
    assert "T1071" in ids
    assert not [i for i in ids if "." in i]
    assert all("Command and Control" in entry["tactics"] for entry in answer)
    assert set(answer[0]) == {"technique_id", "technique_name", "description", "tactics"}


def test_an_unknown_tactic_is_answered_with_the_known_ones(tools: Tools) -> None:
    answer = json.loads(tools["search_mitre_techniques"](tactic="T1053"))
    assert answer["error"] == "No techniques found for tactic 'T1053'"
    assert len(answer["available_tactics"]) == 14


@pytest.mark.parametrize(
    ("filters", "titles"),
    [
        pytest.param(
            {"keyword": "PRELOAD file"}, ["Global Preload File Written"], id="keyword in title"
        ),
        pytest.param(
            {"keyword": "dynamic loader"}, ["Global Preload File Written"], id="in description"
        ),
        pytest.param(
            {"technique_id": "t1114.003", "platform": "M365", "keyword": "flow"},
            ["Mail Flow Rule Created"],
            id="all filters hold",
        ),
        pytest.param({"technique_id": "T1114"}, [], id="a technique id is exact"),
    ],
)
def test_rules_are_found_by_every_filter(
    tools: Tools, filters: Mapping[str, str], titles: list[str]
) -> None:
    answer = json.loads(tools["search_sigma_rules"](**filters))
    assert [rule["title"] for rule in answer["rules"]] == titles
    assert answer["count"] == len(titles)


@pytest.mark.parametrize(("limit", "count"), [(-3, 1), (0, 1), (7, 7), (99, 20)])
def test_the_number_of_rules_is_between_1_and_20(tools: Tools, limit: int, count: int) -> None:
    assert json.loads(tools["search_sigma_rules"](limit=limit))["count"] == count


@pytest.mark.parametrize(("limit", "count"), [(0, 1), (3, 3), (99, 10)])
def test_the_number_of_reports_is_between_1_and_10(tools: Tools, limit: int, count: int) -> None:
    answer = json.loads(tools["search_cti_reports"](query="stolen tokens", limit=limit))
    assert (answer["count"], len(answer["reports"])) == (count, count)


def test_a_report_is_found_once_with_its_best_passage(tools: Tools) -> None:
    answer = json.loads(tools["search_cti_reports"](query="PAM module", limit=10))["reports"]
    assert len({report["id"] for report in answer}) == 10
    scores = [report["score"] for report in answer]
    assert scores == sorted(scores, reverse=True)
    assert set(answer[0]) == {"id", "title", "tags", "techniques", "score", "excerpt"}
    assert max(len(report["excerpt"]) for report in answer) <= 482


def test_an_empty_query_is_refused(tools: Tools) -> None:
    with pytest.raises(ToolError, match="describe in a sentence"):
        tools["search_cti_reports"](query=" \n")


def test_a_very_long_query_is_cut_not_refused(tools: Tools) -> None:
    assert json.loads(tools["search_cti_reports"](query="rootkit " * 5_000))["count"] == 5
