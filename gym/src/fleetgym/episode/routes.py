"""The episode over HTTP; `docs/protocol.md` is its description."""

from __future__ import annotations

import hmac
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fleetgym.contracts.episode import Event
from fleetgym.contracts.errors import EpisodeOver, FleetgymError
from fleetgym.contracts.faults import ToolFaultKind
from fleetgym.episode.body import BadRequest, read_object

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fleetgym.contracts.record import StepRecord
    from fleetgym.contracts.tools import ToolSpec
    from fleetgym.episode.session import Session

__all__ = ["MAX_BODY", "MAX_WAITING", "EpisodeRoutes"]

MAX_BODY = 1024**2
"""Bytes of a request's body."""

MAX_WAITING = 32
"""Requests of one episode that are served at a time; calls wait for each other, with bodies."""

_MAX_EVENTS = 10_000
_MAX_EVENT_CHARACTERS = 8 * 1024**2


class EpisodeRoutes:
    """Serves the open sessions of a lane."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def open(self, session: Session) -> None:
        """Serve ``session`` under ``/r/{run_id}``."""
        self._sessions[session.run_id] = session

    def close(self, run_id: str) -> None:
        """Answer 404 from now on."""
        self._sessions.pop(run_id, None)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to add to an application."""
        return [
            web.get("/r/{run}/brief", self._guarded(self._brief)),
            web.post("/r/{run}/tools/{name}", self._guarded(self._tool)),
            web.post("/r/{run}/submit", self._guarded(self._submit)),
            web.post("/r/{run}/events", self._guarded(self._event)),
        ]

    def _guarded(
        self, answer: Callable[[web.Request, Session], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            session = self._sessions.get(request.match_info["run"])
            if session is None:
                return _error(404, "There is no such episode.", "not_found")
            given = request.headers.get("Authorization", "").encode(errors="replace")
            if not hmac.compare_digest(given, f"Bearer {session.token}".encode()):
                return _error(401, "The token is missing or wrong.", "unauthorized")
            if session.waiting >= MAX_WAITING:
                why = f"{MAX_WAITING} requests of this episode are being served. Wait for them."
                return _error(429, why, "too_many_requests")
            session.waiting += 1
            try:
                return await answer(request, session)
            except BadRequest as error:
                return _error(400, str(error), "bad_request")
            except web.HTTPRequestEntityTooLarge:
                return _error(413, f"The body is larger than {MAX_BODY} bytes.", "too_large")
            except EpisodeOver as error:
                return _error(410, str(error), "episode_over")
            except FleetgymError:
                return _error(503, "The sandbox failed; this run is void.", "void")
            finally:
                session.waiting -= 1

        return handler

    async def _brief(self, _request: web.Request, session: Session) -> web.Response:
        brief = session.brief
        return web.json_response(
            {
                "system": brief.system,
                "task": brief.task,
                "tools": [_told(tool) for tool in brief.tools],
                "artifact_schema": dict(brief.artifact_schema),
                "team": asdict(brief.team) if brief.team else None,
                "budget": asdict(session.budget),
                "seed": session.seed,
                "model": session.model,
            }
        )

    async def _tool(self, request: web.Request, session: Session) -> web.Response:
        body = await read_object(request)
        name = request.match_info["name"]
        return _result(await session.step(name, body.get("arguments", {}), _agent(body)), session)

    async def _submit(self, request: web.Request, session: Session) -> web.Response:
        body = await read_object(request)
        artifact = body.get("artifact")
        if not isinstance(artifact, str):
            artifact = json.dumps(artifact)
        return _result(await session.submit(artifact, _agent(body)), session)

    async def _event(self, request: web.Request, session: Session) -> web.Response:
        body = await read_object(request)
        kind, attributes = body.get("kind"), body.get("attributes", {})
        if not isinstance(kind, str) or not isinstance(attributes, dict):
            raise BadRequest("An event needs a 'kind' (text) and 'attributes' (an object).")
        size = len(json.dumps(attributes, ensure_ascii=False))
        if (
            len(session.events) >= _MAX_EVENTS
            or session.told_characters + size > _MAX_EVENT_CHARACTERS
        ):
            raise BadRequest(
                f"An episode takes at most {_MAX_EVENTS} events, of {_MAX_EVENT_CHARACTERS} "
                "characters together."
            )
        session.told_characters += size
        session.tell(Event(kind=kind[:64], agent=_agent(body), attributes=attributes))  # pyright: ignore[reportUnknownArgumentType]
        return web.Response(status=204)


def _agent(body: dict[str, Any]) -> str:
    return str(body.get("agent", "main"))[:40]


def _result(step: StepRecord, session: Session) -> web.Response:
    if any(found.fault == ToolFaultKind.UNREACHABLE for found in step.findings):
        return _error(
            502, f"Connection failed: {step.content.removeprefix('Error: ')}", "tool_unreachable"
        )
    over = session.ended.is_set()
    return web.json_response({"content": step.content, "is_error": step.is_error, "over": over})


def _error(status: int, message: str, kind: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": kind}}, status=status)


def _told(tool: ToolSpec) -> dict[str, Any]:
    return {name: value for name, value in asdict(tool).items() if name != "scopes"}
