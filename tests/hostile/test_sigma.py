"""Sigma rules that want more than to be matched with rows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from arena import CANARY, NOTHING

if TYPE_CHECKING:
    from arena import Arena
    from fleetgym.contracts.record import ScoreRecord

SIGMA = "C4_sigma_quality"
RULE = """\
title: A rule
status: test
logsource:
  product: linux
  category: process_creation
detection:
  sel:
    {selection}
  condition: {condition}
level: low
"""


def rule(selection: str, condition: str = "sel") -> str:
    return RULE.replace("{selection}", selection).replace("{condition}", condition)


def bomb(levels: int, width: int) -> str:
    """Return YAML whose last alias stands for ``width ** levels`` words."""
    lines = ["a0: &a0 [" + ", ".join(["x"] * width) + "]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * width) + "]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


REFUSED = {
    # YAML
    "no YAML": ("title: [", "not valid YAML"),
    "a tab": ("title:\n\t- x", "not valid YAML"),
    "an aliases bomb": (bomb(9, 10) + rule("CommandLine: *a8"), "not |large|stopped|cannot"),
    "an aliases bomb as fields": (
        bomb(8, 8) + rule("CommandLine|contains: *a7"),
        "not |large|stopped|cannot",
    ),
    "an alias to itself": (rule("CommandLine: &x [*x]"), "not |large|stopped|cannot|nested"),
    "a mapping in itself": (rule("&x\n    CommandLine: *x"), "not |large|stopped|cannot"),
    "a python object": (
        rule("CommandLine: !!python/object/apply:os.system ['id']"),
        "not valid YAML",
    ),
    "a python name": (rule("CommandLine: !!python/name:os.environ"), "not valid YAML"),
    "a python module": ("!!python/module:os\n", "not valid YAML"),
    "an included file": (rule("CommandLine: !include '{file}'"), "not valid YAML"),
    "an unknown tag": ("!x\n" + rule("CommandLine: x"), "not valid YAML"),
    "brackets without end": ("[" * 9000, "not "),
    "a mapping as a key": (rule("? {a: b}\n    : c"), "not |cannot"),
    "two documents": (rule("CommandLine: x") + "---\n" + rule("CommandLine: y"), "Exactly one"),
    "a hundred documents": ("---\n" + (rule("A: x") + "---\n") * 80, "Exactly one|longer than"),
    "a NUL": (rule("CommandLine: x\x00"), "not valid YAML"),
    "a rule of a megabyte": (rule("CommandLine: " + "x" * 800_000), "longer than 20000"),
    "merging itself": (rule("<<: *nowhere"), "not valid YAML"),
    # Sigma
    "an unknown product": (rule("A: x").replace("linux", "plan9"), "No table holds"),
    "a path as a log source": (
        rule("A: x").replace("linux", "'{file}'"),
        "No table holds|not valid",
    ),
    "a table as a log source": (
        rule("A: x").replace("product: linux", "product: sqlite_master"),
        "No table holds",
    ),
    "SQL as a log source": (
        rule("A: x").replace("linux", '"linux\'; DROP TABLE DeviceProcessEvents; --"'),
        "No table holds|not valid",
    ),
    "an unknown field": (rule("Rewards: 1"), "field"),
    "SQL as a field": (rule('"CommandLine\\" OR getenv(\'HOME\') IS NOT NULL --": x'), "field"),
    "a subquery as a field": (rule("'(SELECT content FROM read_text(''{file}''))': x"), "field"),
    "rowid as a field": (rule("rowid: 1"), "field"),
    "an unknown modifier": (rule("CommandLine|exec: x"), "not valid Sigma"),
    "a modifier that expands": (rule("CommandLine|expand: '%{file}%'"), "."),
    "a regex without an end": (rule("CommandLine|re: '((((a{999}){999}){999}){999})'"), "."),
    "a regex that is none": (rule("CommandLine|re: '('"), "."),
    "a regex that looks around": (rule("CommandLine|re: '(?<=x)(?!y)z'"), "."),
    "a condition of code": (rule("CommandLine: x", "__import__('os').system('id')"), "not "),
    "a condition that counts": (rule("CommandLine: x", "sel | count() > 1"), "not "),
    "a condition without end": (rule("CommandLine: x", "not " * 4000 + "sel"), "."),
    "a correlation": ("title: x\ncorrelation:\n  type: event_count\n", "cannot be executed"),
    "a filter": ("title: x\nfilter:\n  rules: []\n", "cannot be executed"),
}

HARMLESS = {
    "a quote": "x' OR 1=1 --",
    "a quote and a reader": "' UNION SELECT content FROM read_text('{file}') --",
    "a double quote": 'x" OR 1=1 --',
    "a backslash before a quote": "\\' OR 1=1 --",
    "a statement": "'; DROP TABLE DeviceProcessEvents; --",
    "a wildcard's escape": "\\\\' OR 1=1 --",
    "a parameter": "$1 ? :x {0} %s",
    "a comment": "*/ OR 1=1 /*",
    "wildcards without end": "*a" * 1500 + "zzz",
    "signs of LIKE": "%_%_zzz",
    "a NUL by an escape": "\x00' OR 1=1 --",
}
MODIFIERS = (
    "", "|contains", "|startswith", "|endswith", "|all", "|cased", "|re", "|cidr", "|base64",
    "|windash", "|wide|base64offset|contains", "|exists", "|gt", "|fieldref",
)  # fmt: skip


@pytest.fixture(scope="module")
def well_formed(arena: Arena) -> ScoreRecord:
    """What a rule earns that is one, and finds nothing."""
    said, score = _judged(arena, rule("CommandLine: nothing like it"))
    assert (said["error"], said["matched_count"]) == ("", 0)
    return score


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_and_earns_no_more_than_its_form(
    name: str, arena: Arena, well_formed: ScoreRecord
) -> None:
    sigma, refusal = REFUSED[name]

    said, score = _judged(arena, arena.filled(sigma))

    assert said["matched_count"] == 0
    assert re.search(refusal, said["error"]), said
    assert CANARY not in json.dumps(said)
    assert arena.earned is not None
    assert {**score.parts, SIGMA: 0.0} == arena.earned.parts
    assert score.parts[SIGMA] <= well_formed.parts[SIGMA]


@pytest.mark.parametrize("name", HARMLESS)
def test_a_value_stays_a_value_under_every_modifier(name: str, arena: Arena) -> None:
    value = json.dumps(arena.filled(HARMLESS[name]))
    found: dict[str, int] = {}
    episode = arena.visit()
    for modifier in MODIFIERS:
        sigma = rule(f"CommandLine{modifier}: {value}")
        graded = episode.call("possess", code=GRADE.replace("{sigma}", repr(sigma)))
        found[modifier] = json.loads(graded.content)["count"]

    assert {modifier: n for modifier, n in found.items() if n} == {}
    assert episode.give_up().score == arena.earned


GRADE = """
import gc, json
from fleetgym.toolserver.query_process import QueryProcess
(queries,) = [one for one in gc.get_objects() if isinstance(one, QueryProcess)]
graded = json.loads(queries.call({"tool": "grade_sigma", "arguments": {"rule": {sigma}}}))
say(json.dumps({"count": sum(map(len, graded["matched"].values()))}))
"""
"""What the graders ask for, asked a hundred times in one episode."""


def _judged(arena: Arena, sigma: str) -> tuple[dict[str, Any], ScoreRecord]:
    episode = arena.visit()
    answer = episode.ask("/submit", {"artifact": {**NOTHING, "sigma_rule": sigma}})
    assert answer.status == 200
    if not answer.json["over"]:
        said = {"error": answer.content, "matched_count": 0}
        record = episode.give_up()
        assert record.score is not None
        return said, record.score
    record = episode.record()
    assert record.score is not None
    (said,) = [value for value in record.steps[-1].facts.values() if "techniques" in value]
    return said, record.score
