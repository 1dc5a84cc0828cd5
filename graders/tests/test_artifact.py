from __future__ import annotations

import json

import pytest

from fleetgym.contracts.errors import ToolError
from fleetgym_graders.artifact import read_artifact

GOOD = {"sigma_rule": "title: x", "kql_query": "T | take 1", "query_results": [{"a": 1}]}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(json.dumps(GOOD), id="plain"),
        pytest.param(f"\n  {json.dumps(GOOD, indent=2)}\n", id="blanks around"),
        pytest.param(f"```json\n{json.dumps(GOOD, indent=2)}\n```", id="json fence"),
        pytest.param(f"```\n{json.dumps(GOOD)}\n```\n", id="bare fence"),
    ],
)
def test_an_artifact_is_read(answer: str) -> None:
    assert read_artifact(answer) == GOOD


def changed(**changes: object) -> str:
    return json.dumps({key: v for key, v in {**GOOD, **changes}.items() if v is not None})


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param("Here it is: {}", "not valid JSON", id="prose"),
        pytest.param("[1]", "an array and no object", id="array"),
        pytest.param("null", "null and no object", id="null"),
        pytest.param("true", "true or false and no object", id="boolean"),
        pytest.param("1.5", "a number and no object", id="number"),
        pytest.param(changed(kql_query=None), "Missing: kql_query.", id="missing key"),
        pytest.param(changed(notes="x"), "Not allowed: notes.", id="extra key"),
        pytest.param(changed(sigma_rule={"title": "x"}), "'sigma_rule' must be", id="rule object"),
        pytest.param(changed(kql_query="  "), "'kql_query' must be", id="blank query"),
        pytest.param(changed(query_results=[]), "'query_results' must be", id="no rows"),
        pytest.param(changed(query_results="[]"), "'query_results' must be", id="rows as text"),
        pytest.param(changed(query_results=[{"a": 1}, 2]), "item 1 must be", id="row no object"),
        pytest.param(changed(query_results=[dict[str, int]()]), "item 0 must be", id="row empty"),
        pytest.param('{"a": NaN}', "NaN is no JSON number", id="not a number"),
        pytest.param("[" * 100_000, "nested too deeply", id="deep"),
        pytest.param(changed(kql_query="\ud800"), "lone surrogate", id="surrogate"),
        pytest.param("```json" + "\n" * 300_000 + "x", "not valid JSON", id="fence of blank lines"),
    ],
)
def test_a_wrong_artifact_is_refused_with_what_to_fix(answer: str, says: str) -> None:
    with pytest.raises(ToolError) as refusal:
        read_artifact(answer)
    assert says in str(refusal.value)
