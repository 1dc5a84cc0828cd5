"""Completions in OpenAI's two forms, whole and in chunks: read, and written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetgym.gateway.upstream import Answer, Stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping

__all__ = ["Completion", "Tokens", "completed", "objects", "printable", "usage_of"]

Tokens = tuple[int, int]
"""Input, output."""

_PIECE = 256
"""Characters of text or arguments in a chunk."""


class Completion:
    """The first choice of an answer, put together from one piece or many.

    Attributes:
        finish_reason: Why the model stopped, if it said so.
        usage: The tokens that the answer says it took, if it does.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.finish_reason: str | None = None
        self.usage: Tokens | None = None
        self._begun = False
        self._text: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}

    @property
    def tool_names(self) -> list[str]:
        """Names of the tools that are called, in order."""
        return [printable(call["name"]) for _, call in sorted(self._calls.items())]

    @property
    def message(self) -> Mapping[str, Any] | None:
        """The assistant message, as far as it came; None when none came."""
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
        """Take a whole answer, or the next chunk."""
        self.usage = usage_of(piece) or self.usage
        for choice in objects(piece.get("choices")):
            if choice.get("index", 0) == 0:
                self._begun = True
                reason = choice.get("finish_reason")
                self.finish_reason = printable(reason) if reason else self.finish_reason
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


def completed(
    head: Mapping[str, Any],
    message: Mapping[str, Any],
    finish_reason: str,
    usage: Mapping[str, Any],
    *,
    streamed: bool,
    estimated: bool,
) -> Answer | Stream:
    """Return the answer that has one choice.

    Args:
        head: ``id``, ``created`` and ``model``.
        message: What the assistant says.
        finish_reason: Why it stopped.
        usage: Tokens.
        streamed: Whether it is to come in chunks; usage is in the last.
        estimated: Whether the usage was estimated.
    """
    if streamed:
        chunks = _as_async(_chunks(head, message, finish_reason, usage))
        return Stream(chunks=chunks, estimated=estimated)
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    body = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
    return Answer(body=body, estimated=estimated)


def usage_of(answer: Mapping[str, Any]) -> Tokens | None:
    """Return the tokens that an answer or a chunk says it took, if it says so."""
    for usage in objects([answer.get("usage")]):
        taken = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if isinstance(taken[0], int) and isinstance(taken[1], int):
            return max(0, taken[0]), max(0, taken[1])
    return None


def objects(value: object) -> list[dict[str, Any]]:
    """Return the JSON objects in a list: what an upstream sends need not be what it should be."""
    entries: list[Any] = value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]
    return [entry for entry in entries if isinstance(entry, dict)]


def printable(text: object) -> str:
    """Return ``text`` without lone surrogates, which no file of ours could hold."""
    return str(text).encode("utf-8", "replace").decode()


def _chunks(
    head: Mapping[str, Any],
    message: Mapping[str, Any],
    finish_reason: str,
    usage: Mapping[str, int],
) -> Iterator[Mapping[str, Any]]:
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
