"""What answers a chat request: the seam at which models, faults and recordings meet the gateway."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from contextlib import AbstractAsyncContextManager

__all__ = ["Answer", "ChatRequest", "Stream", "Upstream"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One request, already authorized, well-formed and within budget."""

    agent: str
    body: Mapping[str, Any]
    """As the framework sent it; when streamed, usage is asked for in any case."""

    @property
    def streamed(self) -> bool:
        """Whether the answer is to be a :class:`Stream`, unless it is an error."""
        return bool(self.body.get("stream"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer: a completion, or an error in OpenAI's form."""

    status: int = 200
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """To be passed to the framework, such as ``Retry-After``."""

    estimated: bool = False
    """Whether the usage in it was estimated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An answer in chunks, as OpenAI streams them."""

    chunks: AsyncGenerator[Mapping[str, Any]]
    """Ends when the answer is complete; raises ``ModelError`` when it broke off before."""

    estimated: bool = False
    """Whether the usage in it is estimated."""


class Upstream(Protocol):
    """Answers chat requests."""

    def answer(self, request: ChatRequest) -> AbstractAsyncContextManager[Answer | Stream]:
        """Answer within the context; leaving it, at whatever point, frees what the answer holds.

        Entering it raises ``ModelError`` when there is no answer to pass on; the framework is
        answered with its status.
        """
        ...
