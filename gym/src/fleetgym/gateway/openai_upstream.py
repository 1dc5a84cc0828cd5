"""Any OpenAI-compatible endpoint as a model.

The provider's key is added here and taken out of whatever the provider says back: a framework
never holds it, and no record shows it.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import aiohttp

from fleetgym.contracts.errors import ModelError
from fleetgym.gateway import sse
from fleetgym.gateway.completions import objects
from fleetgym.gateway.errors import error_body
from fleetgym.gateway.upstream import Answer, Stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping

    from fleetgym.gateway.upstream import ChatRequest

__all__ = ["OpenAIUpstream", "Timeouts"]

_PASSED_HEADERS = ("Retry-After", "retry-after-ms", "x-should-retry")
_MAX_QUOTED = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait for an endpoint, in seconds."""

    connect_s: float = 10.0
    read_s: float = 300.0
    """Between two reads; for an answer that is not streamed, until the whole of it."""


class OpenAIUpstream:
    """Passes requests to an endpoint and its answers back, chunk by chunk when streamed."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        base_url: str,
        model: str,
        api_key: str = "",
        timeouts: Timeouts | None = None,
    ) -> None:
        """Build an upstream.

        Args:
            session: Shared with others, and stays the caller's to close.
            base_url: Up to and with ``/v1``.
            model: The endpoint's own name of the model.
            api_key: The endpoint's key; empty when it takes none.
            timeouts: None for the defaults.
        """
        waits = timeouts or Timeouts()
        self._session = session
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._model = model
        self._api_key = api_key.strip()
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=waits.connect_s, sock_read=waits.read_s
        )

    @asynccontextmanager
    async def answer(self, request: ChatRequest) -> AsyncGenerator[Answer | Stream]:
        """Ask the endpoint."""
        headers = {"Content-Type": "application/json"}
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        with self._translated():
            response = await self._session.post(
                self._url,
                data=json.dumps({**request.body, "model": self._model}).encode(),
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,  # the key goes nowhere else
            )
        async with response:
            if response.status == 200 and response.content_type == "text/event-stream":
                yield Stream(chunks=self._chunks(response))
                return
            with self._translated():
                data = await response.read()
            yield self._whole(response, data, streamed=request.streamed)

    def _whole(self, response: aiohttp.ClientResponse, data: bytes, *, streamed: bool) -> Answer:
        body = _object(data)
        if response.status >= 400:
            return Answer(
                status=response.status,
                body=self._error(response.status, body, data),
                headers={n: response.headers[n] for n in _PASSED_HEADERS if n in response.headers},
            )
        if response.status != 200 or body is None or streamed:
            raise ModelError(
                f"The model's endpoint answered with status {response.status} and "
                f"{response.content_type}, which is not the "
                f"{'stream' if streamed else 'completion'} that was asked for."
            )
        return Answer(body=body)

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncGenerator[Mapping[str, Any]]:
        finished = False
        with self._translated():
            async for payload in sse.payloads(response.content.iter_any()):
                if payload == sse.DONE:
                    return
                chunk = _object(payload.encode())
                if chunk is None:
                    raise ModelError("The model's endpoint streamed something that is not JSON.")
                if chunk.get("error"):
                    chunk = self._error(200, chunk, b"")
                finished = finished or _finishes(chunk)
                yield chunk
        if not finished:
            raise ModelError("The model's endpoint ended its stream in the middle of the answer.")

    def _error(self, status: int, body: dict[str, Any] | None, data: bytes) -> dict[str, Any]:
        if body is None or not body.get("error"):
            text = data.decode("utf-8", "replace").strip()[:_MAX_QUOTED]
            body = error_body(status, "upstream_failed", text or f"Status {status}.")
        return json.loads(self._redacted(json.dumps(body)))

    @contextmanager
    def _translated(self) -> Generator[None]:
        """Turn a failure of the connection into a ModelError."""
        try:
            yield
        except TimeoutError:
            raise ModelError("The model's endpoint did not answer in time.", status=504) from None
        except (aiohttp.ClientError, OSError) as error:
            what = self._redacted(f"{type(error).__name__}: {error}")
            raise ModelError(f"The connection to the model's endpoint failed: {what}.") from None

    def _redacted(self, text: str) -> str:
        return text.replace(self._api_key, "[redacted]") if self._api_key else text


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _finishes(chunk: Mapping[str, Any]) -> bool:
    return any(choice.get("finish_reason") for choice in objects(chunk.get("choices")))
