"""What is known of one request and its answer once it is over."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.record import ModelCallRecord
from fleetgym.gateway.completions import Completion, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Meter", "estimated_tokens", "estimated_usage"]

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
        self._completion = Completion()
        self._upstream_estimates = False
        self._fault = ""

    @property
    def message(self) -> Mapping[str, Any] | None:
        """The assistant message, as far as it came; None when none came."""
        return self._completion.message

    def befallen(self, fault: str) -> None:
        """Note the kind of fault that was injected."""
        self._fault = fault

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
            fault=self._fault,
            error=printable(error[:_MAX_ERROR]) if error else None,
        )


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


def estimated_usage(body: Mapping[str, Any], message: Mapping[str, Any]) -> dict[str, int]:
    """Return what a model would say that a request and its answer took."""
    taken = estimated_tokens(body["messages"], body.get("tools"))
    given = estimated_tokens(message)
    return {"prompt_tokens": taken, "completion_tokens": given, "total_tokens": taken + given}
