"""A reference policy as a model."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fleetgym.gateway.metering import estimated_tokens
from fleetgym.gateway.upstream import Answer, Stream
from fleetgym.policy import dialect
from fleetgym.policy.driver import Driver

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping

    from fleetgym.contracts.policy import ReferencePolicy
    from fleetgym.gateway.upstream import ChatRequest
    from fleetgym.policy.profiles import Profile

__all__ = ["PolicyUpstream"]

_PIECE = 256
"""Characters of text or arguments in a chunk."""


class PolicyUpstream:
    """Answers with an expert's next move, made as well as the profile allows.

    Belongs to one run. The same requests in the same order are given the same answers, byte for
    byte, and what one agent asks does not change what another is answered.
    """

    def __init__(self, policy: ReferencePolicy, profile: Profile, seed: int) -> None:
        self._policy = policy
        self._profile = profile
        self._seed = seed
        self._drivers: dict[str, Driver] = {}

    @asynccontextmanager
    async def answer(self, request: ChatRequest) -> AsyncGenerator[Answer | Stream]:
        """Make the next move."""
        driver = self._drivers.get(request.agent)
        if driver is None:
            driver = Driver(self._policy, self._profile, self._seed, agent=request.agent)
            self._drivers[request.agent] = driver
        conversation = dialect.read(request.body)
        name = f"{self._seed}/{request.agent}/{driver.moves}"
        identity = hashlib.sha256(name.encode()).hexdigest()[:24]
        message, finish_reason = dialect.write(
            driver.move(conversation), f"call_{identity}", request.body
        )
        head = {"id": f"chatcmpl-{identity}", "created": 0, "model": request.body["model"]}
        usage = _usage(request.body, message)
        if request.streamed:
            chunks = _chunks(head, message, finish_reason, usage)
            yield Stream(chunks=_as_async(chunks), estimated=True)
        else:
            choice = {"index": 0, "message": message, "finish_reason": finish_reason}
            body = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
            yield Answer(body=body, estimated=True)


def _usage(body: Mapping[str, Any], message: Mapping[str, Any]) -> dict[str, int]:
    taken = estimated_tokens(body["messages"], body.get("tools"))
    given = estimated_tokens(message)
    return {
        "prompt_tokens": taken,
        "completion_tokens": given,
        "total_tokens": taken + given,
    }


def _chunks(
    head: Mapping[str, Any],
    message: Mapping[str, Any],
    finish_reason: str,
    usage: Mapping[str, int],
) -> Iterator[Mapping[str, Any]]:
    """Yield the chunks of an answer, its usage in the last."""
    frame = {**head, "object": "chat.completion.chunk"}
    for delta in _deltas(message):
        yield {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]}
    yield {**frame, "choices": [], "usage": usage}


def _deltas(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield {"role": "assistant", "content": None if message.get("tool_calls") else ""}
    for piece in _pieces(message.get("content") or ""):
        yield {"content": piece}
    for index, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        begun = {**call, "index": index, "function": {**function, "arguments": ""}}
        yield {"tool_calls": [begun]}
        for piece in _pieces(function["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _pieces(text: str) -> Iterator[str]:
    return (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))


async def _as_async(chunks: Iterator[Mapping[str, Any]]) -> AsyncGenerator[Mapping[str, Any]]:
    for chunk in chunks:
        yield chunk
