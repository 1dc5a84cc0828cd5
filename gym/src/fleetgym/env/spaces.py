"""The spaces of tool-calling environments: calls as actions, text as observations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gymnasium.spaces import Space
from jsonschema import Draft202012Validator

from fleetgym.contracts.errors import ToolError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from fleetgym.contracts.tools import ToolSpec

__all__ = ["ToolCallSpace", "UnicodeText"]

_WORDS = ("alert", "azure", "cron", "device", "login", "pod", "root", "secret", "tag", "user")


class UnicodeText(Space[str]):
    """Any text of at most ``max_length`` characters.

    ``gymnasium.spaces.Text`` wants its alphabet spelled out, which the output of a tool has not.
    """

    def __init__(self, max_length: int, seed: int | np.random.Generator | None = None) -> None:
        self.max_length = max_length
        super().__init__(shape=None, dtype=str, seed=seed)

    def contains(self, x: Any) -> bool:
        """Return whether ``x`` is text that is short enough."""
        return isinstance(x, str) and len(x) <= self.max_length

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """Return a few words. There is nothing to mask."""
        if mask is not None or probability is not None:
            raise ValueError("UnicodeText has neither masks nor probabilities.")
        words = " ".join(self.np_random.choice(_WORDS, size=3).tolist())
        return words[: self.max_length]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnicodeText) and self.max_length == other.max_length

    def __hash__(self) -> int:
        return hash((UnicodeText, self.max_length))

    def __repr__(self) -> str:
        return f"UnicodeText({self.max_length})"


class ToolCallSpace(Space[dict[str, Any]]):
    """Calls of a fixed set of tools: ``{"name": …, "arguments": {…}}``.

    ``contains`` validates the arguments against the tool's JSON Schema and ``sample`` draws valid
    calls. ``step`` also takes actions outside the space: agents make wrong calls, and learn from
    the answer that they were wrong.
    """

    def __init__(
        self, tools: Sequence[ToolSpec], seed: int | np.random.Generator | None = None
    ) -> None:
        self.tools: Mapping[str, ToolSpec] = {tool.name: tool for tool in tools}
        self._validators = {
            tool.name: Draft202012Validator(dict(tool.parameters)) for tool in tools
        }
        super().__init__(shape=None, dtype=None, seed=seed)

    def contains(self, x: Any) -> bool:
        """Return whether ``x`` is a call of one of the tools with valid arguments."""
        if not isinstance(x, dict) or set(x) != {"name", "arguments"}:  # pyright: ignore[reportUnknownArgumentType]
            return False
        try:
            self.validate(x["name"], x["arguments"])  # pyright: ignore[reportUnknownArgumentType]
        except ToolError:
            return False
        return True

    def validate(self, name: object, arguments: object) -> None:
        """Check one call.

        Raises:
            ToolError: There is no such tool, or an argument is missing, unknown or of the wrong
                type; the text names the nearest tool, or the arguments that are expected.
        """
        if not isinstance(name, str) or name not in self.tools:
            hint = did_you_mean(str(name), self.tools) or f"Tools: {', '.join(self.tools)}."
            raise ToolError(f"There is no tool {str(name)[:64]!r}. {hint}")
        problem = next(self._validators[name].iter_errors(arguments), None)  # pyright: ignore[reportUnknownMemberType, reportArgumentType]
        if problem is not None:
            where = ".".join(str(part) for part in problem.path)
            raise ToolError(
                f"{name}: wrong arguments{f' at {where}' if where else ''}: "
                f"{problem.message[:300]}. Expected: {self._signature(name)}."
            )

    def _signature(self, name: str) -> str:
        schema = self.tools[name].parameters
        required = set(schema.get("required", ()))
        shown = [
            f"{key}: {value.get('type', 'any')}{'' if key in required else ' (optional)'}"
            for key, value in schema.get("properties", {}).items()
        ]
        return ", ".join(shown) or "no arguments"

    def sample(self, mask: Any = None, probability: Any = None) -> dict[str, Any]:
        """Return a valid call of a tool drawn evenly. There is nothing to mask."""
        if mask is not None or probability is not None:
            raise ValueError("ToolCallSpace has neither masks nor probabilities.")
        name = str(self.np_random.choice(sorted(self.tools)))
        schema = self.tools[name].parameters
        return {"name": name, "arguments": _draw(schema, self.np_random, schema)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ToolCallSpace) and self.tools == other.tools

    def __hash__(self) -> int:
        return hash((ToolCallSpace, *sorted(self.tools)))

    def __repr__(self) -> str:
        return f"ToolCallSpace({', '.join(self.tools)})"


def _draw(schema: Mapping[str, Any], rng: np.random.Generator, root: Mapping[str, Any]) -> Any:
    """Return a value that fits ``schema``, a part of ``root``, of the keywords that tools use."""
    schema = _one_of(schema, rng, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][int(rng.integers(len(schema["enum"])))]
    match _kind(schema):
        case "object":
            properties: dict[str, Any] = schema.get("properties", {})
            return {key: _draw(value, rng, root) for key, value in properties.items()}
        case "array":
            items: dict[str, Any] = schema.get("items", {})
            return [_draw(items, rng, root) for _ in range(schema.get("minItems", 1))]
        case "integer":
            low: int = schema.get("minimum", 0)
            high: int = schema.get("maximum", low + 20)
            return int(rng.integers(low, high + 1))
        case "number":
            least: float = schema.get("minimum", 0.0)
            most: float = schema.get("maximum", least + 1.0)
            return float(rng.uniform(least, most))
        case "boolean":
            return bool(rng.integers(2))
        case "null":
            return None
        case _:
            shortest: int = schema.get("minLength", 0)
            return str(rng.choice(_WORDS)).ljust(shortest, ".")


def _one_of(
    schema: Mapping[str, Any], rng: np.random.Generator, root: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Follow references, and choose where there is a choice."""
    while keyword := next((word for word in ("$ref", "anyOf", "oneOf") if word in schema), None):
        if keyword == "$ref":
            schema = _part(root, schema["$ref"])
        else:
            schema = schema[keyword][int(rng.integers(len(schema[keyword])))]
    return schema


def _kind(schema: Mapping[str, Any]) -> str:
    kinds: str | list[str] = schema.get("type", "")
    return kinds if isinstance(kinds, str) else kinds[0]


def _part(root: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    """Return what a reference like ``#/$defs/Kind`` names."""
    part = root
    for key in reference.removeprefix("#").split("/")[1:]:
        part = part[key]
    return part
