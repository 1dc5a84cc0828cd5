"""A tool's JSON Schema as a pydantic model, for frameworks that take no schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.tools import ToolSpec

__all__ = ["argument_model"]

_TYPES: Mapping[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "object": dict[str, Any],
    "null": None,
}
_LIMITS: Mapping[str, str] = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "minLength": "min_length",
    "maxLength": "max_length",
    "pattern": "pattern",
    "minItems": "min_length",
    "maxItems": "max_length",
}


def argument_model(spec: ToolSpec) -> type[BaseModel]:
    """Return a model whose own JSON Schema says what the tool's says.

    An optional argument without a default is None when the model left it out. Call the tool with
    what was given and is not None.
    """
    required = set(spec.parameters.get("required", ()))
    fields: dict[str, Any] = {
        name: _field(schema, required=name in required)
        for name, schema in spec.parameters.get("properties", {}).items()
    }
    extra = "forbid" if spec.parameters.get("additionalProperties") is False else "ignore"
    return create_model(
        f"{spec.name}_arguments",
        __config__=ConfigDict(extra=extra, protected_namespaces=()),
        **fields,
    )


def _field(schema: Mapping[str, Any], *, required: bool) -> tuple[Any, Any]:
    limits = {ours: schema[theirs] for theirs, ours in _LIMITS.items() if theirs in schema}
    described: dict[str, Any] = {"description": schema.get("description"), **limits}
    kind = _type(schema)
    if required:
        return kind, Field(**described)
    if "default" in schema:
        return kind, Field(default=schema["default"], **described)
    return kind | None, Field(default=None, **described)


def _type(schema: Mapping[str, Any]) -> Any:
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]  # pyright: ignore[reportInvalidTypeForm]
    kind = schema.get("type")
    if isinstance(kind, list):
        union: Any = None
        for one in kind:  # pyright: ignore[reportUnknownVariableType]
            union = union | _TYPES.get(one, Any) if union else _TYPES.get(one, Any)  # pyright: ignore[reportUnknownArgumentType]
        return union
    if kind == "array":
        return list[_type(schema["items"])] if "items" in schema else list[Any]
    return _TYPES.get(str(kind), Any)
