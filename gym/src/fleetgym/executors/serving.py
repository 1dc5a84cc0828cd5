"""Answers a run in its own network, where nobody else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from fleetgym.executors.connection import WorkerHandle

__all__ = ["serve_run"]


async def serve_run(server: web.AppRunner, handle: WorkerHandle) -> None:
    """Let a server accept on the socket that a run's process has handed over, until it ends."""
    listener = await handle.listener()
    if listener is None:
        return
    site = web.SockSite(server, listener)
    await site.start()
    try:
        await handle.gone()
    finally:
        if site in server.sites:  # else the server has ended before the run
            await site.stop()
