"""Requests that no client of ours would send, to the episode and to the gateway."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arena import Arena, Episode

CHAT = "/a/main/v1/chat/completions"
JSON = {"Content-Type": "application/json"}

TOKENS: Mapping[str, Mapping[str, str]] = {
    "missing": {},
    "empty": {"Authorization": ""},
    "a scheme alone": {"Authorization": "Bearer "},
    "wrong": {"Authorization": "Bearer wrong"},
    "without a scheme": {"Authorization": "{token}"},
    "another scheme": {"Authorization": "Basic {token}"},
    "a prefix": {"Authorization": "Bearer {prefix}"},
    "too long": {"Authorization": "Bearer {token}x"},
    "another run's": {"Authorization": "Bearer {other}"},
    "two of them": {"Authorization": "Bearer {other}, Bearer {token}"},
    "in other case": {"Authorization": "Bearer {swapped}"},
    "in a cookie": {"Cookie": "token={token}"},
    "in another header": {"X-Api-Key": "{token}", "Proxy-Authorization": "Bearer {token}"},
    "with bytes that are no text": {"Authorization": "Bearer \xff\xfe{token}"},
    "in wide letters": {"Authorization": "Bearer \u00e9{token}"},
    "of a megabyte's beginning": {"Authorization": "Bearer " + "x" * 8000},
}
PATHS = {
    "another run": "/r/{other_run}/brief",
    "another run's tools": "/r/{other_run}/tools/list_kusto_tables",
    "dots to another run": "/r/{run}/../{other_run}/brief",
    "encoded dots to another run": "/r/{run}/%2e%2e/{other_run}/brief",
    "encoded slashes": "/r/{run}%2f..%2f{other_run}/brief",
    "doubly encoded slashes": "/r/{run}%252f..%252f{other_run}/brief",
    "backslashes": "/r/{run}\\..\\{other_run}\\brief",
    "dots to a file": "/r/{run}/tools/..%2f..%2f..%2fetc%2fpasswd/../../x",
    "a file": "/etc/passwd",
    "an encoded file": "/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "two slashes": "//r/{other_run}/brief",
    "a NUL": "/r/{run}%00/brief",
    "a NUL behind": "/r/{other_run}/brief%00",
    "bytes that are no text": "/r/%ff%fe/brief",
    "capital letters": "/r/{upper}/brief",
    "a prefix of the run": "/r/{half}/brief",
    "no run": "/r//brief",
    "another run, the token in the URL": "/r/{other_run}/brief?token={token}",
    "a path of seven kilobytes": "/r/" + "x" * 7000 + "/brief",
    "another run's model": "/r/{other_run}/a/main/v1/models",
    "another run's model by dots": "/r/{run}/a/../../{other_run}/a/main/v1/models",
    "another run's model by encoded dots": "/r/{run}/a/%2e%2e%2f{other_run}/v1/models",
    "the record": "/records/{run}.json.gz",
    "a status page": "/metrics",
}


@dataclass(frozen=True)
class Body:
    """A request to the agent's own episode, with its own token."""

    path: str
    data: bytes | str | dict[str, Any]
    statuses: frozenset[int]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def tool(data: bytes | str | dict[str, Any], *statuses: int, **headers: str) -> Body:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Body("/tools/list_kusto_tables", data, frozenset(statuses or (400,)), named)


def chat(data: bytes | str | dict[str, Any], *statuses: int, **headers: str) -> Body:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Body(CHAT, data, frozenset(statuses or (400,)), named)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


BODIES = {
    "nothing": tool(b""),
    "no JSON": tool("{"),
    "a list": tool("[]"),
    "null": tool("null"),
    "a number": tool("1e999"),
    "bytes that are no text": tool(b'{"arguments": {"x": "\xff\xfe"}}'),
    "half a surrogate pair": tool('{"arguments": {"x": "\\ud800"}}', 200),
    "half a surrogate pair as a name": tool('{"arguments": {"\\udfff": 1}}', 200),
    "half a surrogate pair as an agent": tool('{"arguments": {}, "agent": "\\ud800"}', 200),
    "UTF-16": tool("{}".encode("utf-16"), 200, 400),
    "an unknown charset": tool("{}", 200, Content_Type="application/json; charset=nothing"),
    "a codec as a charset": tool("{}", 200, Content_Type="application/json; charset=zip"),
    "a charset with half pairs": tool(
        b"+2AA-", 400, Content_Type="application/json; charset=utf-7"
    ),
    "ninety thousand brackets": tool(nested(90_000)),
    "brackets in arguments": tool('{"arguments": {"x": ' + nested(200) + "}}", 200, 400),
    "many brackets in arguments": tool('{"arguments": {"x": ' + nested(700) + "}}", 200, 400),
    "brackets without end in arguments": tool(
        '{"arguments": {"x": ' + nested(980) + "}}", 200, 400
    ),
    "a number of four thousand digits": tool('{"arguments": {"x": ' + "9" * 4000 + "}}", 200, 400),
    "a number of a million digits": tool('{"arguments": {"x": ' + "9" * 1_000_000 + "}}"),
    "no numbers": tool('{"arguments": {"x": NaN, "y": Infinity}}', 200, 400),
    "keys twice": tool('{"arguments": {"x": 1}, "arguments": {}}', 200),
    "a hundred thousand keys": tool(
        json.dumps({"arguments": {f"k{i}": i for i in range(60_000)}}), 200
    ),
    "arguments that are text": tool({"arguments": "{}"}, 200),
    "arguments that are a list": tool({"arguments": [1, 2]}, 200),
    "two megabytes": tool("x" * 2 * 1024**2, 413),
    "two megabytes in an agent's name": tool({"agent": "x" * 2 * 1024**2}, 413),
    "ten megabytes to submit": Body("/submit", {"artifact": "x" * 10 * 1024**2}, frozenset({413})),
    "zeros that unpack to a gigabyte": tool(
        gzip.compress(b" " * 200_000_000, 9), 400, 413, Content_Encoding="gzip"
    ),
    "zeros that unpack to much, deflated": tool(
        zlib.compress(b" " * 200_000_000, 9), 400, 413, Content_Encoding="deflate"
    ),
    "gzip that is none": tool(b"not packed", 400, Content_Encoding="gzip"),
    "an event without a kind": Body("/events", {"attributes": {}}, frozenset({400})),
    "an event with half a surrogate pair": Body(
        "/events",
        '{"kind": "\\ud800", "attributes": {"\\ud800": "\\ud800"}}',
        frozenset({204, 400}),
    ),
    "an event with brackets without end": Body(
        "/events", '{"kind": "x", "attributes": {"x": ' + nested(900) + "}}", frozenset({204, 400})
    ),
    "an event with no numbers": Body(
        "/events", '{"kind": "x", "attributes": {"x": NaN}}', frozenset({204, 400})
    ),
    "an event with a huge number": Body(
        "/events", '{"kind": "x", "attributes": {"x": ' + "9" * 4000 + "}}", frozenset({204, 400})
    ),
    "a tool with a long name": Body("/tools/" + "x" * 5000, {}, frozenset({200, 404})),
    "a tool with a path for a name": Body("/tools/..%2fsubmit", {}, frozenset({200, 404})),
    "a tool with half a surrogate pair": Body("/tools/%ed%a0%80", {}, frozenset({200, 400, 404})),
    "a tool with a NUL": Body("/tools/x%00y", {}, frozenset({200, 400, 404})),
    "chat: nothing": chat(b""),
    "chat: no JSON": chat("{"),
    "chat: no messages": chat({"model": "policy/expert", "messages": []}),
    "chat: another model": chat({"model": "x", "messages": [{"role": "user"}]}, 404),
    "chat: brackets without end": chat(nested(90_000)),
    "chat: messages with brackets": chat(
        '{"model": "policy/expert", "messages": [{"role": "user", "content": '
        + nested(700)
        + "}]}",
        200,
        400,
        500,
    ),
    "chat: nine megabytes": chat("x" * 9 * 1024**2, 413),
    "chat: bytes that are no text": chat(b'{"model": "\xff"}'),
    "chat: half a surrogate pair": chat(
        '{"model": "policy/expert", "messages": [{"role": "user", "content": "\\ud800"}]}',
        200,
        400,
        500,
    ),
    "chat: half a surrogate pair as a model": chat(
        '{"model": "\\ud800", "messages": [{"role": "user", "content": "x"}]}', 400, 404
    ),
    "chat: zeros that unpack to much": chat(
        gzip.compress(b" " * 200_000_000, 9), 400, 413, Content_Encoding="gzip"
    ),
    "chat: an agent with a path for a name": Body(
        "/a/..%2f..%2fmain/v1/chat/completions", {}, frozenset({400, 404})
    ),
    "chat: an agent with a long name": Body(
        "/a/" + "x" * 100 + "/v1/chat/completions", {}, frozenset({400})
    ),
    "chat: another route": Body("/a/main/v1/files", {}, frozenset({404})),
}


@dataclass(frozen=True)
class Two:
    """Two runs whose agents try each other's doors; what both earn is known in advance."""

    own: Episode
    other: Episode

    def filled(self, text: str) -> str:
        words = {
            "{run}": self.own.run_id,
            "{upper}": self.own.run_id.upper(),
            "{half}": self.own.run_id[:-1],
            "{other_run}": self.other.run_id,
            "{token}": self.own.token,
            "{prefix}": self.own.token[:-1],
            "{swapped}": self.own.token.swapcase(),
            "{other}": self.other.token,
        }
        for word, value in words.items():
            text = text.replace(word, value)
        return text


@pytest.fixture(scope="module")
def two(arena: Arena) -> Two:
    return Two(arena.visit(), arena.visit())


@pytest.mark.parametrize("path", ["/brief", "/a/main/v1/models"])
@pytest.mark.parametrize("name", TOKENS)
def test_a_token_that_is_not_the_runs_own_opens_nothing(name: str, path: str, two: Two) -> None:
    headers = {key: two.filled(value) for key, value in TOKENS[name].items()}

    answer = two.own.ask(path, headers=headers)

    assert answer.status == 401, answer.text
    assert set(answer.json) == {"error"}
    assert two.own.token not in answer.text


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("name", PATHS)
def test_a_path_leads_to_no_other_run_and_to_no_file(name: str, method: str, two: Two) -> None:
    answer = two.own.ask(two.filled(PATHS[name]), "{}" if method == "POST" else None)

    assert answer.status in {400, 401, 404, 405}, answer.text
    assert "root:" not in answer.text


def test_at_doors_that_stay_shut_nothing_is_done_and_nothing_earned(two: Two, arena: Arena) -> None:
    for episode in (two.own, two.other):
        record = episode.give_up()
        assert [step.name for step in record.steps] == ["get_cti_reports_by_tag", "submit"]
        assert record.score == arena.earned


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_refused_and_the_run_goes_on(name: str, arena: Arena) -> None:
    body = BODIES[name]
    episode = arena.visit()
    before = arena.lane.resident_bytes()

    answer = episode.ask(
        body.path,
        body.data if isinstance(body.data, (bytes, str)) else json.dumps(body.data),
        headers={**JSON, "Authorization": f"Bearer {episode.token}", **body.headers},
    )

    assert answer.status in body.statuses, answer.text[:500]
    assert "Traceback" not in answer.text
    record = episode.give_up()
    assert record.score == arena.earned
    assert arena.lane.resident_bytes() - before < 64 * 1024**2


def test_a_token_opens_nothing_once_its_run_is_over(arena: Arena) -> None:
    episode = arena.visit()
    episode.give_up()
    after = [
        episode.ask("/brief").status,
        episode.call("list_kusto_tables").status,
        episode.ask("/submit", {"artifact": {}}).status,
        episode.ask("/events", {"kind": "x", "attributes": {}}).status,
        episode.ask("/a/main/v1/models").status,
    ]
    assert after == [404] * 5
