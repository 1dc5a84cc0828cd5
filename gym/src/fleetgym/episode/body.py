"""Reads the body of a request to an episode: JSON that a record can hold.

What an agent sends ends up in files that are read again, by parsers with limits of their own: no
text of ours can hold half a surrogate pair, and JSON that is nested too deeply can be written but
not be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

if TYPE_CHECKING:
    from aiohttp.web import Request

__all__ = ["MAX_DEPTH", "BadRequest", "read_object"]

MAX_DEPTH = 64
"""Lists and objects inside each other."""


class BadRequest(Exception):
    """The body is not what the protocol says."""


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object in a request's body, half surrogate pairs replaced by ``?``.

    Raises:
        BadRequest: There is none, or it is nested more than :data:`MAX_DEPTH` deep.
        web.HTTPRequestEntityTooLarge: It is larger than the server takes.
    """
    try:
        data = await request.read()
        body = json.loads(data.decode(), parse_constant=_refuse)
    except (web.RequestPayloadError, HttpProcessingError) as error:
        raise BadRequest("The body cannot be read.") from error
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is not JSON.") from error
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.")
    if _deeper_than(MAX_DEPTH, cast("object", body)):
        raise BadRequest(f"The body is nested more than {MAX_DEPTH} deep.")
    if b"\\ud" in data.lower():  # the only way in for half a pair, and rare
        body = json.loads(json.dumps(body, ensure_ascii=False).encode(errors="replace"))
    return cast("dict[str, Any]", body)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _deeper_than(depth: int, body: object) -> bool:
    level: list[object] = [body]
    for _ in range(depth):
        level = [inner for value in level for inner in _inside(value)]
    return any(isinstance(value, (dict, list)) for value in level)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return cast("Mapping[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()
