"""One model request, from its body to its record."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

from fleetgym.contracts.errors import ModelError
from fleetgym.gateway import sse
from fleetgym.gateway.errors import BudgetSpent, Refusal, error_response
from fleetgym.gateway.metering import Meter
from fleetgym.gateway.upstream import Answer, ChatRequest, Garbled, Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.gateway.runs import GatewayRun

__all__ = ["Exchange"]

_logger = logging.getLogger(__name__)
_GONE = "the framework went away before it had the whole answer"


class _StreamOptions(BaseModel):
    include_usage: bool | None = None


class _Body(BaseModel):
    """What the gateway itself looks at; everything else is passed on as it came."""

    model: str
    messages: list[dict[str, Any]] = Field(min_length=1)
    tools: list[dict[str, Any]] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


class Exchange:
    """Serves one request of a run that is open, and sees to it that it is recorded once."""

    def __init__(
        self, run: GatewayRun, agent: str, request: web.Request, max_body_bytes: int
    ) -> None:
        self._run = run
        self._agent = agent
        self._request = request
        self._max_body_bytes = max_body_bytes
        self._meter = Meter(
            index=run.count_call(agent),
            agent=agent,
            run_started=run.started,
            sdk_retry=_count(request.headers.get("x-stainless-retry-count")),
        )
        self._recorded = False
        self._response: web.StreamResponse | None = None
        """Set once a stream has begun: nothing can be answered any more but the rest of it."""

    async def serve(self) -> web.StreamResponse:
        """Answer the request."""
        try:
            self._run.check_budget()
            return await self._answer(await self._read())
        except Refusal as refusal:
            self._record(refusal.status, str(refusal))
            if isinstance(refusal, BudgetSpent):
                self._run.on_over(refusal.budget)
            raise
        except ModelError as error:
            return self._break_off(error.status, str(error))
        except (asyncio.CancelledError, ConnectionError):
            self._record(self._response.status if self._response else 499, _GONE)
            raise
        except Exception:
            _logger.exception("The gateway failed at a request.")
            return self._break_off(500, "The gateway failed; see its log.")

    async def _read(self) -> _Body:
        try:
            raw = json.loads(await self._data())
            body = _Body.model_validate(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "The body"
            raise Refusal(400, "invalid_request", f"{where}: {first['msg']}.") from None
        except (ValueError, RecursionError, web.RequestPayloadError):
            raise Refusal(400, "invalid_json", "The body is not valid JSON.") from None
        self._meter.body = raw
        if body.model != self._run.model:
            raise Refusal(
                404,
                "model_not_found",
                f"There is no model {body.model[:100]!r} here. Ask for {self._run.model!r}.",
            )
        return body

    async def _data(self) -> bytes:
        data = bytearray()
        async for piece in self._request.content.iter_any():
            data += piece
            if len(data) > self._max_body_bytes:
                raise Refusal(
                    413,
                    "request_too_large",
                    f"The request is larger than {self._max_body_bytes} bytes. Send less context.",
                )
        return bytes(data)

    async def _answer(self, body: _Body) -> web.StreamResponse:
        forwarded = dict(self._meter.body)
        if body.stream:
            options: Mapping[str, Any] = forwarded.get("stream_options") or {}
            forwarded["stream_options"] = {**options, "include_usage": True}
        self._meter.forwarded()
        request = ChatRequest(agent=self._agent, body=forwarded, note_fault=self._meter.befallen)
        async with self._run.upstream.answer(request) as answer:
            if isinstance(answer, Stream):
                return await self._pass_stream(answer, wants_usage=body.wants_usage)
            if isinstance(answer, Garbled):
                return await self._pass_garbled(answer)
            return self._pass_answer(answer)

    def _pass_answer(self, answer: Answer) -> web.Response:
        if answer.status < 400:
            self._meter.answered(answer.body, estimated=answer.estimated)
            self._record(answer.status)
        else:
            self._meter.refused()
            self._record(answer.status, _message_of(answer.body))
        return web.json_response(answer.body, status=answer.status, headers=answer.headers)

    async def _pass_stream(self, stream: Stream, *, wants_usage: bool) -> web.StreamResponse:
        self._response = response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        await response.prepare(self._request)
        error: str | None = None
        async with aclosing(stream.chunks) as chunks:
            async for chunk in chunks:
                self._meter.chunk(chunk, estimated=stream.estimated)
                error = _message_of(chunk) if chunk.get("error") else error
                passed = chunk if wants_usage else _without_usage(chunk)
                if passed is not None:
                    await response.write(sse.encode(passed))
        self._record(response.status, error)
        await response.write(sse.encode(sse.DONE))
        return response

    async def _pass_garbled(self, answer: Garbled) -> web.StreamResponse:
        if answer.completion is None:
            self._meter.refused()
        else:
            self._meter.answered(answer.completion, estimated=True)
        headers = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.data))}
        self._response = response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(self._request)
        self._record(answer.status)
        if not answer.cut:
            await response.write(answer.data)
            return response
        await response.write(answer.data[: len(answer.data) // 2])
        if self._request.transport is not None:
            self._request.transport.close()
        return response

    def _break_off(self, status: int, error: str) -> web.StreamResponse:
        """Answer with the error; where a stream has begun, cut it, as the upstream did."""
        if self._response is None:
            self._meter.refused()
            self._record(status, error)
            return error_response(status, "upstream_failed", error)
        self._record(self._response.status, error)
        if self._request.transport is not None:
            self._request.transport.close()
        return self._response

    def _record(self, status: int, error: str | None = None) -> None:
        if self._recorded:
            return
        self._recorded = True
        record = self._meter.record(status, error)
        self._run.charge(record)
        self._run.on_call(record, self._meter.body, self._meter.message)


def _without_usage(chunk: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return a chunk as it is when usage was not asked for; None when there is no such chunk."""
    if "usage" not in chunk:
        return chunk
    if chunk["usage"] and not chunk.get("choices"):
        return None
    return {key: value for key, value in chunk.items() if key != "usage"}


def _message_of(body: Mapping[str, Any]) -> str:
    error: Any = body.get("error")
    return str(error.get("message", error) if isinstance(error, dict) else error)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


def _count(text: str | None) -> int:
    return int(text) if text and re.fullmatch(r"[0-9]{1,4}", text) else 0
