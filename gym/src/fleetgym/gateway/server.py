"""The gateway's routes: who may ask, before anything is asked of a model."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
from typing import TYPE_CHECKING

from aiohttp import web

from fleetgym.contracts.errors import OperatorError
from fleetgym.gateway.errors import Refusal, error_response
from fleetgym.gateway.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fleetgym.gateway.runs import GatewayRun

__all__ = ["MAX_BODY_BYTES", "MAX_IN_FLIGHT", "Gateway"]

MAX_BODY_BYTES = 8 * 1024**2
"""Of one request: at four characters a token, about what a default budget has tokens."""

MAX_IN_FLIGHT = 32
"""Requests of one run that are served at a time; each holds its body until it is answered."""

_AGENT = re.compile(r"[A-Za-z0-9_-]{1,40}")
_PREFIX = "/r/{run}/a/{agent}/v1"
_logger = logging.getLogger(__name__)


class Gateway:
    """Serves the model requests of any number of runs.

    Belongs to one event loop. The server it is mounted into should run with
    ``handler_cancellation=True``, so that a request ends when its framework is gone.
    """

    def __init__(self, *, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._max_body_bytes = max_body_bytes
        self._runs: dict[str, GatewayRun] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return what is to be mounted."""
        return [
            web.post(f"{_PREFIX}/chat/completions", _guarded(self._chat)),
            web.get(f"{_PREFIX}/models", _guarded(self._models)),
            web.route("*", f"{_PREFIX}/{{rest:.*}}", _guarded(self._nothing)),
        ]

    def open(self, run: GatewayRun) -> None:
        """Let a run's requests in.

        Raises:
            OperatorError: A run of this id is open.
        """
        if run.run_id in self._runs:
            raise OperatorError(f"Run {run.run_id!r} is open at this gateway. Close it first.")
        self._runs[run.run_id] = run

    async def close(self, run_id: str) -> None:
        """Let no more of a run's requests in, and break off those being served.

        Each of them has been recorded when this returns. A run that is not open is no error.
        """
        run = self._runs.pop(run_id, None)
        if run is None:
            return
        run.end("it was closed")
        for task in run.in_flight:
            task.cancel()
        await asyncio.gather(*run.in_flight, return_exceptions=True)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        run = self._admit(request)
        agent = _agent(request)
        run.check_open()
        if len(run.in_flight) >= MAX_IN_FLIGHT:
            raise Refusal(
                429,
                "too_many_requests",
                f"{MAX_IN_FLIGHT} requests of this run are being served. Wait for them.",
            )
        task = asyncio.current_task()
        assert task is not None, "a handler runs in a task"
        run.in_flight.add(task)
        try:
            return await Exchange(run, agent, request, self._max_body_bytes).serve()
        finally:
            run.in_flight.discard(task)

    async def _models(self, request: web.Request) -> web.StreamResponse:
        run = self._admit(request)
        _agent(request)
        model = {"id": run.model, "object": "model", "created": 0, "owned_by": "fleetgym"}
        return web.json_response({"object": "list", "data": [model]})

    async def _nothing(self, request: web.Request) -> web.StreamResponse:
        self._admit(request)
        raise Refusal(
            404,
            "unknown_url",
            f"The gateway does not serve {request.method} .../v1/{request.match_info['rest']}. "
            "It serves POST /v1/chat/completions and GET /v1/models.",
        )

    def _admit(self, request: web.Request) -> GatewayRun:
        run = self._runs.get(request.match_info["run"])
        if run is None:
            raise Refusal(404, "run_not_found", "There is no such run; it may have been closed.")
        shown = request.headers.get("Authorization", "")
        expected = f"Bearer {run.token}"
        if not hmac.compare_digest(shown.encode("utf-8", "replace"), expected.encode()):
            raise Refusal(
                401,
                "invalid_api_key",
                "The API key is missing or wrong. The key for the model is the episode's token.",
            )
        return run


def _agent(request: web.Request) -> str:
    agent = request.match_info["agent"]
    if not _AGENT.fullmatch(agent):
        raise Refusal(
            400,
            "invalid_agent",
            "An agent's name in the URL must be 1 to 40 letters, digits, '-' or '_'.",
        )
    return agent


def _guarded(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Turn whatever a handler raises into an answer in OpenAI's form."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refusal as refusal:
            return error_response(refusal.status, refusal.code, str(refusal))
        except ConnectionError:
            raise  # the framework is gone: aiohttp closes up quietly
        except Exception:
            _logger.exception("The gateway failed at a request.")
            return error_response(500, "internal_error", "The gateway failed; see its log.")

    return guarded
