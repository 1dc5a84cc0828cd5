"""Servers that serve one episode, and wait for it before it begins."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Hashable
    from typing import Any

__all__ = ["FRESH", "FreshServers", "start_ahead"]

FRESH = 2
"""That wait for each spec, as soon as one has been used."""


class _Server(Protocol):
    @property
    def alive(self) -> bool: ...


_T = TypeVar("_T", bound=_Server)


class FreshServers(Generic[_T]):
    """Starts the next server of a kind when one is taken. Belongs to one event loop."""

    def __init__(self, discard: Callable[[_T], Awaitable[None]], *, most: int) -> None:
        """Start nothing yet.

        Args:
            discard: Ends a server.
            most: That wait at a time, over all keys; 0: none is started ahead.
        """
        self._discard = discard
        self._most = most
        self._waiting: OrderedDict[Hashable, deque[asyncio.Task[_T]]] = OrderedDict()
        """What is started, or being started; the key used last comes last."""

    async def take(self, key: Hashable, start: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Return a server that nobody has used, and see to the next one.

        Args:
            key: Servers of equal keys are alike.
            start: Starts one; whatever it raises is raised here.
        """
        waiting = self._waiting.setdefault(key, deque())
        self._waiting.move_to_end(key)
        server = await self._next(waiting) or await start()
        # Not before: those that wait must not slow down the one that is wanted.
        while len(waiting) < min(FRESH, self._most):
            waiting.append(start_ahead(start()))
        await self._forget_oldest()
        return server

    def prepare(self, key: Hashable, start: Callable[[], Coroutine[Any, Any, _T]]) -> None:
        """See to it that a server of ``key`` is being started, or waits."""
        waiting = self._waiting.setdefault(key, deque())
        if not waiting and self._most:
            waiting.append(start_ahead(start()))

    async def close(self) -> None:
        """End those that wait."""
        kept, self._waiting = self._waiting, OrderedDict()
        await asyncio.gather(*(self._end(task) for tasks in kept.values() for task in tasks))

    async def _next(self, waiting: deque[asyncio.Task[_T]]) -> _T | None:
        while waiting:
            server = await waiting.popleft()
            if server.alive:
                return server
            await self._discard(server)
        return None

    async def _forget_oldest(self) -> None:
        while sum(map(len, self._waiting.values())) > self._most:
            key = next(key for key, tasks in self._waiting.items() if tasks)
            await self._end(self._waiting[key].popleft())

    async def _end(self, task: asyncio.Task[_T]) -> None:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and task.exception() is None:
            await self._discard(task.result())


def start_ahead(start: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
    """Return ``start`` as a task whose failure is told to whoever waits for it, if anybody does."""
    task = asyncio.get_running_loop().create_task(start)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task
