"""Bytes on the episode's port that are hardly HTTP."""

from __future__ import annotations

import contextlib
import re
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from arena import Arena, Episode

PATIENCE_S = 20
WAIT_S = 2
"""For an answer to half a request, which need not come."""

AUTH = "Authorization: Bearer {token}\r\n"
POST = "POST /r/{run}/tools/list_kusto_tables HTTP/1.1\r\nHost: x\r\n" + AUTH
CHAT = "POST /r/{run}/a/main/v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + AUTH
SMUGGLED = "GET /r/{other_run}/brief HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"

REFUSED = {
    "no HTTP": "\x00\x01\x02\x03\r\n\r\n",
    "a TLS greeting": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\x00" * 300 + "\r\n\r\n",
    "HTTP/0.9": "GET /r/{run}/brief\r\n\r\n",
    "HTTP/9.9": "GET /r/{run}/brief HTTP/9.9\r\nHost: x\r\n\r\n",
    "an unknown method": "STEAL /r/{run}/brief HTTP/1.1\r\nHost: x\r\n" + AUTH + "\r\n",
    "a method of signs": "G\x00T /r/{run}/brief HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": "CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\n" + AUTH + "\r\n",
    "TRACE": "TRACE /r/{run}/brief HTTP/1.1\r\nHost: x\r\n" + AUTH + "\r\n",
    "another host's URL": "GET http://127.0.0.1:1/r/{other_run}/brief HTTP/1.1\r\nHost: x\r\n"
    + AUTH
    + "\r\n",
    "a line of a megabyte": "GET /" + "x" * 2**20 + " HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header of a megabyte": "GET / HTTP/1.1\r\nX: " + "x" * 2**20 + "\r\n\r\n",
    "a hundred thousand headers": "GET / HTTP/1.1\r\n" + "X: y\r\n" * 100_000 + "\r\n",
    "a header without a name": "GET / HTTP/1.1\r\n: x\r\n\r\n",
    "a header with a NUL": "GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n",
    "a folded header": "GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
    "spaces before a colon": POST + "Content-Length : 2\r\n\r\n{}",
    "lengths that differ": POST + "Content-Length: 2\r\nContent-Length: 50\r\n\r\n{}",
    "a length below nothing": POST + "Content-Length: -1\r\n\r\n{}",
    "a length with a sign": POST + "Content-Length: +2\r\n\r\n{}",
    "a length in hexadecimal": POST + "Content-Length: 0x2\r\n\r\n{}",
    "a length of words": POST + "Content-Length: two\r\n\r\n{}",
    "a length without end": POST + "Content-Length: " + "9" * 400 + "\r\n\r\n{}",
    "a length and chunks": POST
    + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "chunks and a length": POST
    + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "chunks of another spelling": POST
    + "Content-Length: 4\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "chunks twice": POST + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks that are not last": POST + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a chunk's size that is none": POST + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk's size below nothing": POST
    + "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "a chunk's size with a prefix": POST
    + "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk's size without end": POST + "Transfer-Encoding: chunked\r\n\r\n" + "f" * 100_000,
    "a chunk longer than its size": POST
    + "Transfer-Encoding: chunked\r\n\r\n1\r\n{}{}{}\r\n0\r\n\r\n",
    "a chunk's extension of a megabyte": POST
    + "Transfer-Encoding: chunked\r\n\r\n2;x="
    + "y" * 2**20
    + "\r\n{}\r\n0\r\n\r\n",
    "trailers of a megabyte": POST
    + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: "
    + "y" * 2**20
    + "\r\n\r\n",
    "two megabytes in chunks": POST
    + "Transfer-Encoding: chunked\r\n\r\n"
    + ("10000\r\n" + "x" * 65536 + "\r\n") * 32
    + "0\r\n\r\n",
    "chat: nine megabytes in chunks": CHAT
    + "Transfer-Encoding: chunked\r\n\r\n"
    + ("10000\r\n" + "x" * 65536 + "\r\n") * 144
    + "0\r\n\r\n",
    "chat: chunks and a length": CHAT
    + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "chat: a chunk's size that is none": CHAT + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a web socket": "GET /r/{run}/brief HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n",
    "another protocol": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "lines that end otherwise": "GET /r/{other_run}/brief HTTP/1.1\nHost: x\n"
    + AUTH.strip()
    + "\n\n",
    "a token behind the headers' end": "GET /r/{run}/brief HTTP/1.1\r\nHost: x\r\n\r\n"
    + AUTH
    + "\r\n",
    "a thousand requests in one": "GET /r/{other_run}/brief HTTP/1.1\r\nHost: x\r\n" * 1000
    + "\r\n",
}
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


@pytest.fixture(scope="module")
def own(arena: Arena) -> Episode:
    return arena.visit(steps=1000, model_calls=1000)


@pytest.fixture(scope="module")
def other(arena: Arena) -> Episode:
    return arena.visit()


@pytest.mark.parametrize("name", REFUSED)
def test_they_are_refused(name: str, arena: Arena, own: Episode, other: Episode) -> None:
    before = arena.lane.resident_bytes()

    said = exchange(own, filled(REFUSED[name], own, other))

    statuses = {int(status) for status in STATUS.findall(said)}
    assert all(400 <= status < 600 for status in statuses), said[:300]
    assert 500 not in statuses, said[:300]
    assert b"DETECTION OBJECTIVE" not in said, "no brief of any run"
    assert own.ask("/brief").status == 200, "the next request is answered"
    assert arena.lane.resident_bytes() - before < 64 * 1024**2


def test_requests_in_one_connection_are_answered_each_by_its_own_token(
    own: Episode, other: Episode
) -> None:
    fine = "GET /r/{run}/brief HTTP/1.1\r\nHost: x\r\n" + AUTH + "\r\n"
    said = exchange(own, filled((fine + SMUGGLED) * 5, own, other), answers=10)
    assert [int(status) for status in STATUS.findall(said)] == [200, 401] * 5


def test_connections_that_never_finish_a_request_hold_up_nobody(
    arena: Arena, own: Episode, other: Episode
) -> None:
    before = arena.lane.descriptors()
    halves = [
        "GET /r/",
        "GET /r/x HTTP/1.1\r\nHost: ",
        filled(POST, own, other) + "Content-Length: 1000000\r\n\r\n{",
        filled(CHAT, own, other) + "Transfer-Encoding: chunked\r\n\r\nfff\r\n",
        "",
    ]
    slow = [connected(own, halves[n % len(halves)]) for n in range(200)]
    try:
        assert other.call("list_kusto_tables").status == 200
        assert own.ask("/brief").status in {200, 429}
    finally:
        for one in slow:
            one.close()
    assert own.ask("/brief").status in {200, 429}
    assert arena.lane.descriptors() < before + 250


def test_after_all_of_it_both_runs_have_what_they_earned(
    arena: Arena, own: Episode, other: Episode
) -> None:
    assert other.give_up().score == arena.earned
    assert own.give_up().score == arena.earned


def filled(text: str, own: Episode, other: Episode) -> str:
    words = {"{run}": own.run_id, "{token}": own.token, "{other_run}": other.run_id}
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def connected(episode: Episode, text: str) -> socket.socket:
    made = socket.create_connection(episode.address, timeout=PATIENCE_S)
    made.sendall(text.encode("latin-1"))
    return made


def exchange(episode: Episode, text: str, *, answers: int = 1) -> bytes:
    """Send bytes and return what comes back: so many answers, or all until the end."""
    said = b""
    with socket.create_connection(episode.address, timeout=PATIENCE_S) as connection:
        with contextlib.suppress(OSError):  # it may hang up on us before it has heard all
            connection.sendall(text.encode("latin-1"))
        connection.settimeout(WAIT_S)
        with contextlib.suppress(OSError):
            while len(STATUS.findall(said)) < answers and (piece := connection.recv(65536)):
                said += piece
    return said
