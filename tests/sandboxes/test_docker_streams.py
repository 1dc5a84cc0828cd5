from __future__ import annotations

import asyncio
import socket

import pytest

from fleetgym.sandboxes.docker_streams import open_streams

OUT, ERR = 1, 2


def frame(stream: int, content: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(content).to_bytes(4, "big") + content


SENT = (
    frame(OUT, b"one\ntw")
    + frame(ERR, b"oh ")
    + frame(OUT, b"")
    + frame(OUT, b"o\n")
    + frame(ERR, b"dear")
    + frame(OUT, b"x" * 300)
)


@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 64, len(SENT)])
async def test_output_and_errors_are_told_apart_wherever_the_connection_cuts(size: int) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    streams, stdin = await open_streams(ours)
    for start in range(0, len(SENT), size):
        streams.data_received(SENT[start : start + size])
    theirs.close()

    assert await streams.stdout.read() == b"one\ntwo\n" + b"x" * 300
    assert await streams.stderr.read() == b"oh dear"
    stdin.close()


async def test_what_is_written_arrives_as_it_is() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    _, stdin = await open_streams(ours)
    stdin.write(b"line\n")
    await stdin.drain()

    with theirs:
        assert theirs.recv(100) == b"line\n"
        stdin.close()
        await asyncio.sleep(0)
        assert theirs.recv(100) == b""


async def test_a_connection_that_breaks_ends_both_streams() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    streams, stdin = await open_streams(ours)
    streams.data_received(frame(OUT, b"begun")[:-2])
    theirs.close()
    stdin.write(b"to nobody")

    assert await streams.stdout.read() == b"beg"
    assert await streams.stderr.read() == b""
    stdin.close()
