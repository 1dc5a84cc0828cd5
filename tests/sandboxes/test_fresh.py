"""What waits for an episode, with servers that only know whether they are alive."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from fleetgym.contracts.errors import SandboxError
from fleetgym.sandboxes.fresh import FRESH, FreshServers


class Server:
    def __init__(self, number: int) -> None:
        self.number = number
        self.alive = True


class Yard:
    """Starts and ends servers, and knows which."""

    def __init__(self, *, most: int = 4) -> None:
        self._numbers = count()
        self.servers: list[Server] = []
        self.fails = False
        self.fresh = FreshServers[Server](self.discard, most=most)

    async def start(self) -> Server:
        await asyncio.sleep(0)
        if self.fails:
            raise SandboxError("It does not start.")
        server = Server(next(self._numbers))
        self.servers.append(server)
        return server

    async def discard(self, server: Server) -> None:
        server.alive = False

    async def take(self, key: str = "a") -> Server:
        server = await self.fresh.take(key, self.start)
        for _ in range(3):  # those that are started ahead get there
            await asyncio.sleep(0)
        return server

    def living(self) -> list[int]:
        return [server.number for server in self.servers if server.alive]


async def test_the_next_ones_are_started_when_one_is_taken() -> None:
    yard = Yard()
    assert (await yard.take()).number == 0
    assert yard.living() == [*range(1 + FRESH)]
    assert (await yard.take()).number == 1
    assert yard.living() == [*range(2 + FRESH)]


async def test_one_that_died_meanwhile_is_not_given() -> None:
    yard = Yard()
    await yard.take()
    yard.servers[1].alive = False
    assert (await yard.take()).number == 2


async def test_a_failed_start_is_told_to_the_one_who_gets_it_and_does_not_stay() -> None:
    yard = Yard()
    await yard.take()
    yard.fails = True
    for _ in range(FRESH):
        await yard.take()
    for _ in range(FRESH):
        with pytest.raises(SandboxError, match="It does not start"):
            await yard.take()
    yard.fails = False
    assert (await yard.take()).alive


async def test_what_waits_longest_makes_room_for_others() -> None:
    yard = Yard(most=FRESH)
    first = await yard.take("a")
    other = await yard.take("b")
    waiting = yard.living()
    assert len(waiting) == 2 + FRESH
    assert {first.number, other.number} <= {*waiting}
    assert (await yard.take("b")).number == other.number + 1


async def test_nothing_is_started_ahead_where_nothing_may_wait() -> None:
    yard = Yard(most=0)
    assert [(await yard.take()).number, (await yard.take()).number] == [0, 1]
    assert yard.living() == [0, 1]


async def test_those_that_wait_are_ended_with_it_and_those_taken_are_not() -> None:
    yard = Yard()
    taken = await yard.take()
    await yard.fresh.close()
    assert yard.living() == [taken.number]
