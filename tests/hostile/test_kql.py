"""KQL that wants more than rows of the telemetry, or SQL of its own behind it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from arena import CANARY

if TYPE_CHECKING:
    from arena import Answer, Arena, Episode
    from fleetgym.contracts.record import ScoreRecord

UNSUPPORTED = "is not supported by this KQL engine"
MANAGEMENT = "Management commands are not available"
NO_PARSE = "The KQL does not parse"
UNKNOWN = "Unknown or ambiguous name|no table"
REFUSED = (
    f"{UNSUPPORTED}|{NO_PARSE}|{UNKNOWN}|cannot be translated|There are no other|There is no|"
    "Name the table without a database|have no value here|The query failed: Binder Error"
)
TOO_LARGE = "needs too much memory|too large to run|was stopped after|grows too large"

T = "DeviceProcessEvents"

REFUSALS = {
    # the outside
    "externaldata": ("externaldata(x: string)['{file}']", UNSUPPORTED),
    "externaldata over HTTP": (
        "externaldata(x: string)['http://127.0.0.1:1/x'] with (format='txt')",
        UNSUPPORTED,
    ),
    "externaldata in a let": (
        "let f = externaldata(x: string)['/etc/shadow']; f | take 1",
        REFUSED,
    ),
    "externaldata in a join": (
        f"{T} | join (externaldata(x: string)['/etc/shadow']) on x",
        REFUSED,
    ),
    "cluster": (f"cluster('other').database('NetDefaultDB').{T} | take 1", REFUSED),
    "database": (f"database('other').{T} | take 1", REFUSED),
    "workspace": (f"workspace('other').{T} | take 1", REFUSED),
    "app": ("app('other').requests", REFUSED),
    "external_table": ("external_table('x')", REFUSED),
    "materialized_view": ("materialized_view('x')", REFUSED),
    "stored_query_result": ("stored_query_result('x')", REFUSED),
    "evaluate python": ("print x=1 | evaluate python(typeof(*), 'import os')", UNSUPPORTED),
    "evaluate r": ("print x=1 | evaluate r(typeof(*), 'system(1)')", UNSUPPORTED),
    "evaluate http_request": ("evaluate http_request('http://127.0.0.1:1')", REFUSED),
    "evaluate sql_request": ("evaluate sql_request('Server=127.0.0.1', 'select 1')", REFUSED),
    "evaluate cosmosdb": ("evaluate cosmosdb_sql_request('x', 'y')", REFUSED),
    "evaluate bag_unpack": (f"{T} | evaluate bag_unpack(AdditionalFields)", UNSUPPORTED),
    "invoke": (f"{T} | invoke read_text('{{file}}')", REFUSED),
    # commands
    "show": (".show tables", MANAGEMENT),
    "show behind space": ("  \n\t.show databases", MANAGEMENT),
    "show behind a comment": ("// x\n.show tables", REFUSED),
    "drop": (f".drop table {T}", MANAGEMENT),
    "ingest inline": (f".ingest inline into table {T} <| x", MANAGEMENT),
    "set-or-append": (f".set-or-append {T} <| print 1", MANAGEMENT),
    "export": (".export to csv ('{file}') <| print 1", MANAGEMENT),
    "execute script": (".execute database script <| .drop table x", MANAGEMENT),
    "a command behind a query": (f"{T} | take 1; .drop table {T}", REFUSED),
    "a command piped": (f"{T} | .show tables", REFUSED),
    "set": ("set query_take_max_records=1000000; print 1", REFUSED),
    "declare query_parameters": ("declare query_parameters(x: string); print x", REFUSED),
    "alias database": ("alias database d = cluster('x').database('y'); database('d').T", REFUSED),
    "restrict access": (f"restrict access to (database('x').*); {T}", REFUSED),
    # tables that are none, functions of SQL
    "union of everything": ("union *", REFUSED),
    "union by a wildcard": ("union Device*, sqlite* | take 1", REFUSED),
    "search everything": ("search '*'", REFUSED),
    "find everywhere": ("find where true", REFUSED),
    "a table of the catalog": ("sqlite_master | take 5", REFUSED),
    "duckdb_settings": ("duckdb_settings() | take 5", REFUSED),
    "information_schema": ("information_schema.tables | take 5", REFUSED),
    "table() of a path": ("table('{file}') | take 5", REFUSED),
    "a path as a table": ("['{file}'] | take 5", REFUSED),
    "a reader as a table": ("['read_text(''{file}'')'] | take 5", REFUSED),
    "a reader called": ("read_text('{file}')", REFUSED),
    "getenv": ("print getenv('FLEETGYM_CANARY')", REFUSED),
    "getenv in a filter": (f"{T} | where getenv('FLEETGYM_CANARY') != ''", REFUSED),
    "current_setting": ("print current_setting('temp_directory')", REFUSED),
    "a reader as a lambda": ("let f = (x: string) { read_text(x) }; f('{file}')", REFUSED),
    "a let that calls itself": ("let f = () { f() }; f()", REFUSED),
    "lets that call each other": ("let f = () { g() }; let g = () { f() }; f()", REFUSED),
    "a let named as a file": ("let ['{file}'] = 1; ['{file}'] | take 1", REFUSED),
    # bombs
    "a doubling of lets": (
        "let a0 = 'aaaaaaaaaaaaaaaa';"
        + "".join(f"let a{i} = strcat(a{i - 1}, a{i - 1});" for i in range(1, 40))
        + "print strlen(a39)",
        TOO_LARGE,
    ),
    "a doubling of unions": (
        f"let a0 = {T};"
        + "".join(f"let a{i} = union a{i - 1}, a{i - 1};" for i in range(1, 30))
        + "a29 | count",
        TOO_LARGE,
    ),
    "a range bomb": (
        "range x from 1 to 100000000000 step 1 | summarize make_list(x)",
        "failed: .* Lists larger",
    ),
    "a join bomb": (
        (
            "range x from 1 to 30000000 step 1 | extend k = 1 | join kind=inner "
            "(range y from 1 to 30000000 step 1 | extend k = 1) on k | summarize sum(x * y)"
        ),
        TOO_LARGE,
    ),
    "a string bomb": ("print strlen(strrep('a', 2000000000))", TOO_LARGE + "|failed|" + REFUSED),
    "a mv-expand bomb": (
        (
            "range x from 1 to 100000 step 1 | extend l = range(1, 100000) | mv-expand l | "
            "summarize dcount(strcat(x, l))"
        ),
        TOO_LARGE + "|" + REFUSED,
    ),
    "brackets without end": ("print " + "(" * 9000 + "1" + ")" * 9000, TOO_LARGE + "|" + REFUSED),
    "pipes without end": (T + "|take 1" * 2500, TOO_LARGE + "|" + REFUSED + "|more than"),
    "a regex without end": (
        f"{T} | where FileName matches regex '(((a{{999}}){{999}}){{999}})'",
        "failed",
    ),
    "a query of a megabyte": ("print '" + "x" * 900_000 + "'", "longer than 20000 characters"),
    "quotes without end": ('print "' + '\\"' * 9000, TOO_LARGE + "|" + REFUSED),
    "backticks without end": ("print ```" + "`" * 9000, TOO_LARGE + "|" + REFUSED),
    "a NUL": (f"{T}\x00 | take 1", REFUSED),
}

QUOTES = {
    "a quote": "x' OR 1=1 --",
    "a quote and a reader": "' UNION ALL SELECT content FROM read_text('{file}') --",
    "a double quote": 'x" OR 1=1 --',
    "a backslash before a quote": "\\' OR getenv('FLEETGYM_CANARY') IS NOT NULL --",
    "a statement": "'; DROP TABLE DeviceProcessEvents; --",
    "a dollar quote": "$$ || getenv('FLEETGYM_CANARY') || $$",
    "a comment": "*/ FROM read_text('{file}') /*",
    "an escape": "\\x27 OR 1=1 --",
    "a wide quote": "\u2019 OR 1=1 --",
    "a NUL": "\x00' OR 1=1 --",
    "a parameter": "$1 ? :x {0} %s {x}",
    "a wildcard": "%",
}
"""What is text in KQL must stay text in SQL: none of these is a part of any file's name."""

PLACES = {
    "==": "where FileName == {}",
    "contains": "where FileName contains {}",
    "startswith": "where FileName startswith {}",
    "has": "where FileName has {}",
    "in": "where FileName in ({})",
    "has_any": "where FileName has_any ({})",
    "replace": "where FileName == replace_string(FileName, 'zzz', {}) and FileName == {}",
    "extract": "where extract(regex_quote({}), 0, FileName) != ''",
    "dynamic": "where FileName in (dynamic([{}]))",
    "parse": "parse FileName with Before {} After | where isnotempty(After)",
    "split": "where array_length(split(FileName, {})) > 1",
    "strcat": "where strcat('', {}) == FileName",
}


@pytest.fixture(scope="module")
def intruder(arena: Arena) -> Episode:
    return arena.visit(steps=1000)


@pytest.mark.parametrize("name", REFUSALS)
def test_it_is_refused_and_the_next_query_is_answered(
    name: str, intruder: Episode, arena: Arena
) -> None:
    kql, refusal = REFUSALS[name]

    answer = intruder.call("execute_kql_query", query=arena.filled(kql))

    assert answer.status == 200
    assert answer.json["is_error"], answer.text[:500]
    assert re.search(refusal, answer.content), answer.content[:500]
    assert CANARY not in answer.text
    assert not intruder.call("list_kusto_tables").json["is_error"]


def test_after_all_of_it_the_score_is_what_was_earned_before(
    intruder: Episode, arena: Arena
) -> None:
    assert intruder.give_up().score == arena.earned


@pytest.fixture(scope="module")
def earned_by_looking(arena: Arena) -> ScoreRecord | None:
    episode = arena.visit()
    _look(episode, "zzz")
    return episode.give_up().score


@pytest.mark.parametrize("name", QUOTES)
def test_text_stays_text_wherever_it_stands(
    name: str, arena: Arena, earned_by_looking: ScoreRecord | None
) -> None:
    episode = arena.visit()

    answers = _look(episode, arena.filled(QUOTES[name]))

    found = {place: _count(answer.content) for place, answer in answers.items()}
    assert {place: n for place, n in found.items() if n not in (0, None)} == {}
    assert not any(CANARY in answer.text for answer in answers.values())
    assert episode.give_up().score == earned_by_looking


@pytest.mark.parametrize("name", QUOTES)
def test_a_name_stays_a_name(name: str, arena: Arena) -> None:
    text = arena.filled(QUOTES[name]).replace("'", "\\'")
    episode = arena.visit()

    answers = [
        episode.call("execute_kql_query", query=query.replace("{}", text))
        for query in (
            "['{}'] | take 1",
            f"{T} | where ['{{}}'] == 'x'",
            f"{T} | summarize count() by ['{{}}']",
        )
    ]

    assert [answer.json["is_error"] for answer in answers] == [True] * 3
    assert not any(CANARY in answer.text for answer in answers)
    assert episode.give_up().score == arena.earned


def _look(episode: Episode, text: str) -> dict[str, Answer]:
    """Put ``text`` everywhere."""
    literal = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return {
        place: episode.call(
            "execute_kql_query", query=f"{T} | {stage.replace('{}', literal)} | count"
        )
        for place, stage in PLACES.items()
    }


def _count(content: str) -> int | None:
    """Return the one number of a result, or None of a refusal."""
    found = re.search(r'"Rows":\[\[(\d+)\]\]', content)
    assert found or content.startswith("Error: "), content
    return int(found[1]) if found else None
