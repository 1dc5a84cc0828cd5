"""What answers a chat request: the seam at which models, faults and recordings meet the gateway."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

__all__ = ["Answer", "ChatRequest", "Garbled", "Stream", "Upstream"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One request, already authorized, well-formed and within budget."""

    agent: str
    body: Mapping[str, Any]
    """As the framework sent it; when streamed, usage is asked for in any case."""

    note_fault: Callable[[str], None] = lambda _: None
    """Takes the kind of a fault that befalls this request on purpose."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbled:
    """What a proxy, or a connection that breaks, leaves of an answer; only made on purpose."""

    data: bytes
    content_type: str
    status: int = 200
    completion: Mapping[str, Any] | None = None
    """What the model answered, where it was asked."""

    cut: bool = False
    """Whether the connection breaks halfway through."""


class Upstream(Protocol):
    """Answers chat requests."""

    def answer(
        self, request: ChatRequest
    ) -> AbstractAsyncContextManager[Answer | Stream | Garbled]:
        """Answer within the context; leaving it, at whatever point, frees what the answer holds.

        Entering it raises ``ModelError`` when there is no answer to pass on; the framework is
        answered with its status.
        """
        ...
