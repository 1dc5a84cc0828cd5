"""What is known of one request and its answer once it is over."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.record import ModelCallRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Meter", "Tokens", "estimated_tokens", "objects", "usage_of"]

Tokens = tuple[int, int]
"""Input, output."""

_MAX_ERROR = 1000


class Meter:
    """Watches one request from its arrival to its end."""

    def __init__(self, *, index: int, agent: str, run_started: float, sdk_retry: int) -> None:
        self.body: Mapping[str, Any] = {}
        """The request's body, once it is known."""
        self._index = index
        self._agent = agent
        self._arrived = time.monotonic()
        self._run_started = run_started
        self._sdk_retry = sdk_retry
        self._first_byte_s: float | None = None
        self._asked = False
        self._completion = _Completion()
        self._upstream_estimates = False

    @property
    def message(self) -> Mapping[str, Any] | None:
        """The assistant message, as far as it came; None when none came."""
        return self._completion.message

    def forwarded(self) -> None:
        """Note that the request has gone to the model: its tokens are spent from now on."""
        self._asked = True

    def answered(self, body: Mapping[str, Any], *, estimated: bool) -> None:
        """Note a whole answer."""
        self._upstream_estimates = estimated
        self._completion.add(body)

    def chunk(self, chunk: Mapping[str, Any], *, estimated: bool) -> None:
        """Note a piece of a streamed answer."""
        if self._first_byte_s is None:
            self._first_byte_s = time.monotonic() - self._arrived
        self.answered(chunk, estimated=estimated)

    def refused(self) -> None:
        """Note that the model did not take the request: it costs nothing."""
        self._asked = False

    def record(self, status: int, error: str | None) -> ModelCallRecord:
        """Return the record of the request, which ends now."""
        completion = self._completion
        tokens = completion.usage
        estimated = tokens is None or self._upstream_estimates
        if tokens is None:
            tokens = (
                estimated_tokens(self.body.get("messages"), self.body.get("tools")),
                estimated_tokens(completion.message) if completion.message else 0,
            )
        if not self._asked:
            tokens, estimated = (0, 0), False
        return ModelCallRecord(
            index=self._index,
            agent=self._agent,
            started_s=self._arrived - self._run_started,
            latency_s=time.monotonic() - self._arrived,
            first_byte_s=self._first_byte_s,
            status=status,
            input_tokens=tokens[0],
            output_tokens=tokens[1],
            estimated=estimated,
            finish_reason=completion.finish_reason,
            tool_calls=completion.tool_names,
            sdk_retry=self._sdk_retry,
            error=_printable(error[:_MAX_ERROR]) if error else None,
        )


class _Completion:
    """The first choice of an answer, put together from one piece or many."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self.usage: Tokens | None = None
        self._begun = False
        self._text: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}

    @property
    def tool_names(self) -> list[str]:
        return [_printable(call["name"]) for _, call in sorted(self._calls.items())]

    @property
    def message(self) -> Mapping[str, Any] | None:
        if not self._begun:
            return None
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self._text) or None}
        if self._calls:
            message["tool_calls"] = [
                {
                    "id": call["id"],
                    "type": "function",
                    "function": {"name": call["name"], "arguments": call["arguments"]},
                }
                for _, call in sorted(self._calls.items())
            ]
        return message

    def add(self, piece: Mapping[str, Any]) -> None:
        self.usage = usage_of(piece) or self.usage
        for choice in objects(piece.get("choices")):
            if choice.get("index", 0) == 0:
                self._begun = True
                reason = choice.get("finish_reason")
                self.finish_reason = _printable(reason) if reason else self.finish_reason
                self._add_message(choice.get("message") or choice.get("delta"))

    def _add_message(self, message: object) -> None:
        for part in objects([message]):
            if isinstance(part.get("content"), str):
                self._text.append(part["content"])
            for position, call in enumerate(objects(part.get("tool_calls"))):
                self._add_call(call.get("index", position), call)

    def _add_call(self, index: object, call: Mapping[str, Any]) -> None:
        if not isinstance(index, int):
            return
        known = self._calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
        known["id"] += str(call.get("id") or "")
        for function in objects([call.get("function")]):
            known["name"] += str(function.get("name") or "")
            known["arguments"] += str(function.get("arguments") or "")


def usage_of(answer: Mapping[str, Any]) -> Tokens | None:
    """Return the tokens that an answer or a chunk says it took, if it says so."""
    for usage in objects([answer.get("usage")]):
        taken = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if isinstance(taken[0], int) and isinstance(taken[1], int):
            return max(0, taken[0]), max(0, taken[1])
    return None


def estimated_tokens(*values: object) -> int:
    """Return the tokens in JSON values: a quarter of the characters of their texts, rounded up.

    Keys count as texts do; punctuation does not.
    """
    characters = 0
    pending = list(values)
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            characters += len(value)
        elif isinstance(value, dict):
            pending.extend(value)  # pyright: ignore[reportUnknownArgumentType]
            pending.extend(value.values())  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        elif isinstance(value, list):
            pending.extend(value)  # pyright: ignore[reportUnknownArgumentType]
        elif value is not None:
            characters += len(str(value))
    return math.ceil(characters / 4)


def objects(value: object) -> list[dict[str, Any]]:
    """Return the JSON objects in a list: what an upstream sends need not be what it should be."""
    entries: list[Any] = value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]
    return [entry for entry in entries if isinstance(entry, dict)]


def _printable(text: object) -> str:
    """Return ``text`` without lone surrogates, which no file of ours could hold."""
    return str(text).encode("utf-8", "replace").decode()
