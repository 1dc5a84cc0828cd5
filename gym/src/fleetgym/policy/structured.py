"""Words put into the JSON that a ``response_format`` asks for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["put_into"]

_DEPTH = 8


def put_into(response_format: Mapping[str, Any], text: str) -> str:
    """Return JSON of the form that is asked for; texts in it are ``text``, all else is neutral."""
    match response_format.get("type"):
        case "json_schema":
            schema = response_format.get("json_schema", {}).get("schema", {})
            return json.dumps(_value(schema, schema, text, _DEPTH), ensure_ascii=False)
        case "json_object":
            return json.dumps({"answer": text}, ensure_ascii=False)
        case _:
            return text


def _value(schema: Any, root: Any, text: str, depth: int) -> Any:
    if not isinstance(schema, dict) or depth == 0:
        return None
    held = cast("dict[str, Any]", schema)
    if "$ref" in held:
        return _value(_referred(held["$ref"], root), root, text, depth - 1)
    for name in ("anyOf", "oneOf", "allOf"):
        if held.get(name):
            return _value(held[name][0], root, text, depth - 1)
    for value in (held.get("const"), *held.get("enum", ())):
        if value is not None:
            return value
    if "properties" in held:
        fields: dict[str, Any] = held["properties"]
        return {key: _value(one, root, text, depth - 1) for key, one in fields.items()}
    if held.get("type") == "array":
        return [_value(held.get("items"), root, text, depth - 1)] * int(held.get("minItems", 0))
    return _PLAIN.get(str(held.get("type")), lambda _, words: words)(held, text)


_PLAIN: Mapping[str, Callable[[Mapping[str, Any], str], Any]] = {
    "object": lambda _, __: {},
    "integer": lambda held, _: held.get("minimum", 0),
    "number": lambda held, _: held.get("minimum", 0),
    "boolean": lambda _, __: False,
    "null": lambda _, __: None,
}


def _referred(pointer: str, root: Any) -> Any:
    """Return what a local reference such as ``#/$defs/Name`` points to."""
    found: Any = root
    for part in pointer.removeprefix("#/").split("/"):
        found = cast("dict[str, Any]", found).get(part, {}) if isinstance(found, dict) else {}
    return found
