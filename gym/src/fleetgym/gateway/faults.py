"""A model that is in trouble on purpose: an upstream around another one."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import ModelError
from fleetgym.contracts.faults import ModelFaultKind as Kind
from fleetgym.gateway.completions import Completion, completed
from fleetgym.gateway.errors import error_body
from fleetgym.gateway.metering import estimated_usage
from fleetgym.gateway.tampering import TAMPERING, again
from fleetgym.gateway.upstream import Answer, Garbled, Stream

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator, Mapping

    from fleetgym.conditions.schedule import Schedule
    from fleetgym.contracts.faults import ModelFault
    from fleetgym.gateway.upstream import ChatRequest, Upstream

__all__ = ["FaultyUpstream"]

_PAGE = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head>"
    b"<body><h1>Sign in to the network</h1></body></html>\n"
)


class FaultyUpstream:
    """Lets the faults of a schedule befall the requests of one run.

    A fault that cannot happen (there is no call whose arguments could break off) does not, and
    is not recorded.
    """

    def __init__(self, upstream: Upstream, schedule: Schedule[ModelFault]) -> None:
        """Stand between a run and the upstream that answers it."""
        self._upstream = upstream
        self._schedule = schedule

    @asynccontextmanager
    async def answer(self, request: ChatRequest) -> AsyncGenerator[Answer | Stream | Garbled]:
        """Answer, or not, as the schedule says."""
        fault, draw = self._schedule.next(request.agent)
        if fault is None:
            async with self._upstream.answer(request) as answer:
                yield answer
            return
        instead = await self._instead(fault, request, draw)
        if instead is not None:
            yield instead
            return
        async with self._upstream.answer(request) as answer:
            yield await _altered(answer, fault.fault, request)

    async def _instead(
        self, fault: ModelFault, request: ChatRequest, draw: random.Random
    ) -> Answer | Stream | Garbled | None:
        """Return what is answered without asking the model; None when it is to be asked."""
        low, high = fault.seconds
        seconds = low + draw.random() * (high - low)
        match fault.fault:
            case Kind.RATE_LIMIT:
                request.note_fault(fault.fault)
                return _error(429, "rate_limit_exceeded", "Too many requests.", fault.retry_after_s)
            case Kind.SERVER_ERROR:
                request.note_fault(fault.fault)
                return _error(500, "server_error", "The server had an error.")
            case Kind.TIME_OUT:
                request.note_fault(fault.fault)
                await asyncio.sleep(seconds)
                return _error(504, "gateway_timeout", "The model did not answer in time.")
            case Kind.SLOW:
                request.note_fault(fault.fault)
                await asyncio.sleep(seconds)
            case Kind.HTML:
                request.note_fault(fault.fault)
                return Garbled(data=_PAGE, content_type="text/html; charset=utf-8")
            case Kind.NO_CHOICES:
                request.note_fault(fault.fault)
                usage = estimated_usage(request.body, {})
                body: dict[str, Any] = {**_head(request, draw), "choices": [], "usage": usage}
                return Answer(body={**body, "object": "chat.completion"}, estimated=True)
            case Kind.EMPTY_MESSAGE:
                request.note_fault(fault.fault)
                return _said(request, draw, {"role": "assistant", "content": ""}, "stop")
            case Kind.REPEAT | Kind.CIRCLE:
                identity = f"call_{draw.getrandbits(96):024x}"
                different = fault.fault is Kind.CIRCLE
                tampered = again(request.body["messages"], identity, different=different)
                if tampered is not None:
                    request.note_fault(fault.fault)
                    return _said(request, draw, *tampered)
            case _:
                pass
        return None


async def _altered(
    answer: Answer | Stream | Garbled, fault: Kind, request: ChatRequest
) -> Answer | Stream | Garbled:
    """Return the model's answer after the fault has befallen it."""
    if isinstance(answer, Garbled) or (isinstance(answer, Answer) and answer.status >= 400):
        return answer
    if fault is Kind.CUT_OFF:
        request.note_fault(fault)
        return _cut_off(answer)
    if fault not in TAMPERING:
        return answer
    pieces = [answer.body] if isinstance(answer, Answer) else [c async for c in answer.chunks]
    whole = Completion()
    for piece in pieces:
        whole.add(piece)
    message, reason = whole.message or {}, whole.finish_reason or "stop"
    tampered = TAMPERING[fault](message, request.body.get("tools") or ())
    if tampered is not None:
        request.note_fault(fault)
        message, reason = tampered
    taken, given = whole.usage or (0, 0)
    head = {name: pieces[0].get(name) for name in ("id", "created", "model")} if pieces else {}
    return completed(
        head,
        message,
        reason,
        {"prompt_tokens": taken, "completion_tokens": given, "total_tokens": taken + given},
        streamed=isinstance(answer, Stream),
        estimated=answer.estimated,
    )


def _cut_off(answer: Answer | Stream) -> Stream | Garbled:
    if isinstance(answer, Stream):
        return Stream(chunks=_half(answer), estimated=answer.estimated)
    return Garbled(
        data=json.dumps(answer.body).encode(),
        content_type="application/json",
        completion=answer.body,
        cut=True,
    )


async def _half(answer: Stream) -> AsyncGenerator[Mapping[str, Any]]:
    chunks = [chunk async for chunk in answer.chunks]
    for chunk in chunks[: max(1, len(chunks) // 2)]:
        yield chunk
    raise ModelError("The connection broke in the middle of the answer.", status=502)


def _said(
    request: ChatRequest, draw: random.Random, message: Mapping[str, Any], reason: str
) -> Answer | Stream:
    return completed(
        _head(request, draw),
        message,
        reason,
        estimated_usage(request.body, message),
        streamed=request.streamed,
        estimated=True,
    )


def _head(request: ChatRequest, draw: random.Random) -> dict[str, Any]:
    identity = f"chatcmpl-{draw.getrandbits(96):024x}"
    return {"id": identity, "created": 0, "model": request.body["model"]}


def _error(status: int, code: str, message: str, retry_after_s: float | None = None) -> Answer:
    headers = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:g}"}
    return Answer(status=status, body=error_body(status, code, message), headers=headers)
