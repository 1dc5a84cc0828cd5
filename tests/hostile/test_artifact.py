"""Artifacts that are made to break what reads them, or to earn what was not found."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from arena import NOTHING

if TYPE_CHECKING:
    from arena import Arena

ROW = '[{"x": 1}]'


def text(**parts: str) -> str:
    """Return an artifact as JSON text, its parts as they are given."""
    whole = {"sigma_rule": '"title: x"', "kql_query": '"print 1"', "query_results": ROW, **parts}
    return "{" + ", ".join(f'"{key}": {value}' for key, value in whole.items()) + "}"


REFUSED: dict[str, tuple[Any, str]] = {
    "nothing": ("", "not valid JSON"),
    "null": ("null", "Submit one JSON object"),
    "a list": ("[]", "Submit one JSON object"),
    "a score": ('{"score": 1.0}', "exactly the keys"),
    "a reward besides": (text(reward="1.0"), "Not allowed: reward"),
    "checkpoints besides": (
        text(checkpoints='{"C4_query_results": 1}'),
        "Not allowed: checkpoints",
    ),
    "facts besides": (text(facts='{"kql": {"ok": true}}'), "Not allowed: facts"),
    "a prototype": (text(__class__='"x"'), "Not allowed: __class__"),
    "no number": (text(query_results='[{"x": NaN}]'), "not valid JSON"),
    "an infinite number": (text(query_results='[{"x": -Infinity}]'), "not valid JSON"),
    "a number of a hundred thousand digits": (
        text(query_results='[{"x": ' + "9" * 100_000 + "}]"),
        "not valid JSON",
    ),
    "brackets without end": (
        text(query_results="[" * 100_000 + "]" * 100_000),
        "nested too deeply|not valid JSON",
    ),
    "objects without end": (
        text(query_results='{"a":' * 50_000 + "1" + "}" * 50_000),
        "nested too deeply|not valid JSON",
    ),
    "half a surrogate pair": (text(query_results='[{"x": "\\ud800"}]'), "lone surrogate"),
    "rows that are none": (text(query_results="[1, 2]"), "must be an object"),
    "no rows": (text(query_results="[]"), "not empty"),
    "rows as text": (text(query_results='"[]"'), "not empty"),
    "a query that is none": (text(kql_query='{"$ne": null}'), "must be a string"),
    "a rule that is none": (text(sigma_rule="[]"), "must be a string"),
    "two objects": (text() + text(), "not valid JSON"),
    "an object behind text": ("Answer: " + text(), "not valid JSON"),
    "an object in an object": (json.dumps({"artifact": NOTHING}), "exactly the keys"),
    "ten megabytes in the tool's own form": (text(sigma_rule='"' + "x" * 900_000 + '"'), ""),
}
NOTHING_EARNED = {
    "a row twice": text(query_results='[{"x": 1, "x": 2}]'),
    "keys twice": text()[:-1] + ', "kql_query": "print 2"}',
    "a hundred thousand rows": text(query_results="[" + ", ".join(['{"x": 1}'] * 60_000) + "]"),
    "a row of ten thousand columns": text(
        query_results=json.dumps([{f"c{n}": n for n in range(10_000)}])
    ),
    "rows of bombs": text(query_results='[{"x": 1e308}, {"x": 1e-320}, {"x": -0.0}]'),
    "rows nested": text(query_results='[{"x": ' + "[" * 50 + "]" * 50 + "}]"),
    "rows that were never returned": text(
        kql_query='"DeviceProcessEvents | take 0"',
        query_results='[{"DeviceName": "x", "ProcessId": 1}]',
    ),
    "every row there is": text(
        kql_query='"DeviceProcessEvents | project DeviceName, ProcessId, Timestamp"'
    ),
    "a query that ends in a comment": text(kql_query='"print 1 // | DeviceProcessEvents"'),
    "a query with a management command": text(kql_query='".show tables"'),
    "a query that reads files": text(kql_query="\"externaldata(x: string)['/etc/shadow']\""),
    "a query that calls for SQL": text(kql_query="\"print read_text('/etc/passwd')\""),
    "a query without end": text(
        kql_query='"range x from 1 to 30000000 step 1 | extend k=1 | join (range y from 1 '
        'to 30000000 step 1 | extend k=1) on k | summarize sum(x*y)"'
    ),
    "a query that forges its grade": text(
        kql_query='"print ok=true, matched=dynamic({\\"DeviceProcessEvents\\": [0, 1, 2]})"'
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_and_another_may_be_handed_in(name: str, arena: Arena) -> None:
    answer, refusal = REFUSED[name]
    episode = arena.visit()

    said = episode.ask("/submit", {"artifact": answer})

    assert said.status == 200
    if refusal:
        assert said.json["is_error"], said.text[:300]
        assert not said.json["over"]
        assert re.search(refusal, said.content), said.content[:300]
        assert episode.give_up().score == arena.earned
    else:
        assert episode.record().score == arena.earned


@pytest.mark.parametrize("name", NOTHING_EARNED)
def test_it_is_accepted_and_earns_nothing(name: str, arena: Arena) -> None:
    episode = arena.visit()

    said = episode.ask("/submit", {"artifact": NOTHING_EARNED[name]})

    assert said.json["over"], said.text[:300]
    record = episode.record()
    assert record.score is not None
    assert arena.earned is not None
    # Naming the right table is worth something to whoever names it.
    found = {
        part for part, value in record.score.parts.items() if value != arena.earned.parts[part]
    }
    assert found <= {"C2_data_exploration", "C3_query_execution"}, record.score.parts
