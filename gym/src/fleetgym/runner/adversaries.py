"""Ways to seek a score without doing the task, in any environment.

They know what every agent is told: the prompt, the tools with their schemas, the artifact's schema.
An environment adds those that know its tools (``EnvSpec.adversaries``).
"""

from __future__ import annotations

import json
import random
import re
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.policy import Adversary
from fleetgym.contracts.tools import SUBMIT, ToolCall
from fleetgym.env.spaces import ToolCallSpace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fleetgym.contracts.episode import Brief
    from fleetgym.contracts.policy import Plan
    from fleetgym.contracts.scenario import Budget

__all__ = ["EVERY_TOOL", "GENERAL", "NO_OP", "RANDOM"]

_NAME = re.compile(r'"([\w./:@ -]{2,80})"')
_NAMES = 4000


def _no_op(brief: Brief, budget: Budget, seed: int) -> Plan:
    """Submit at once what has the artifact's form and nothing in it; empty lists if need be."""
    del budget, seed
    yield _placeholder(brief)
    yield _placeholder(brief, [])


def _random(brief: Brief, budget: Budget, seed: int) -> Plan:
    """Make valid calls that are drawn at random until the steps run out, then submit nothing much.

    A submission that is drawn may end the episode sooner.
    """
    space = ToolCallSpace(brief.tools, seed=seed)
    for _ in range(budget.steps - 2):
        drawn = space.sample()
        yield ToolCall(drawn["name"], drawn["arguments"])
    yield from _no_op(brief, budget, seed)


def _every_tool(brief: Brief, budget: Budget, seed: int) -> Plan:
    """Call all tools in turn, with whatever names their results showed, then submit the echo.

    What is submitted has the task's own words and the names that were seen in every place.
    """
    rng = random.Random(f"every-tool {seed}")  # noqa: S311 - reproducible, not secret
    names = ["unknown"]
    turns = cycle([tool for tool in brief.tools if tool.name != SUBMIT])
    for tool in islice(turns, budget.steps - 3):
        arguments = _filled(tool.parameters, rng, names)
        result = yield ToolCall(tool.name, arguments)
        if not result.is_error:
            names = [*dict.fromkeys([*names, *_NAME.findall(result.content)])][:_NAMES]
    echo = _echo(brief.artifact_schema, brief.task, names)
    yield ToolCall(SUBMIT, {"answer": json.dumps(echo)})
    yield from _no_op(brief, budget, seed)


def _filled(schema: Mapping[str, Any], rng: random.Random, names: list[str]) -> Any:
    if "enum" in schema:
        return rng.choice(schema["enum"])
    match schema.get("type"):
        case "object":
            wanted: Iterable[str] = schema.get("required", ())
            properties: Mapping[str, Any] = schema.get("properties", {})
            return {name: _filled(properties.get(name, {}), rng, names) for name in wanted}
        case "array":
            return [_filled(schema.get("items", {}), rng, names) for _ in range(8)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return rng.choice(names)


def _echo(schema: Mapping[str, Any], task: str, names: list[str]) -> Any:
    match schema.get("type"):
        case "object":
            properties: Mapping[str, Any] = schema.get("properties", {})
            if not properties:
                return {name: name for name in names[:20]}
            return {name: _echo(part, task, names) for name, part in properties.items()}
        case "array":
            items: Mapping[str, Any] = schema.get("items", {})
            return list(_fitting(items, task, names))[: schema.get("maxItems", 40)]
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case _:
            fitting = _fitting_names(schema, names)
            return schema["enum"][0] if "enum" in schema else next(fitting, task)


def _fitting(items: Mapping[str, Any], task: str, names: list[str]) -> Iterator[Any]:
    if items.get("type") in ("object", "array"):
        yield from (_echo(items, task, names[at:]) for at in range(0, len(names), 7))
    else:
        yield from _fitting_names(items, names)


def _fitting_names(schema: Mapping[str, Any], names: list[str]) -> Iterator[str]:
    pattern = schema.get("pattern")
    if pattern:
        yield from (name for name in names if re.search(pattern, name))
    elif schema.get("maxLength"):
        yield from names


def _placeholder(brief: Brief, items: Sequence[Any] = ({"placeholder": "none"},)) -> ToolCall:
    answer = json.dumps(_blank(brief.artifact_schema, items))
    return ToolCall(SUBMIT, {"answer": answer})


def _blank(schema: Mapping[str, Any], items: Sequence[Any]) -> Any:
    match schema.get("type"):
        case "array":
            return items
        case "object":
            properties: Mapping[str, Any] = schema.get("properties", {})
            return {name: _blank(part, items) for name, part in properties.items()}
        case "integer" | "number":
            return 0
        case "boolean":
            return False
        case _:
            return "placeholder: nothing was looked at, nothing was found, nothing is claimed"


NO_OP = Adversary(name="no-op", summary="submits a placeholder at once", below=0.05, plan=_no_op)
RANDOM = Adversary(
    name="random", summary="makes valid calls at random, then submits", below=0.15, plan=_random
)
EVERY_TOOL = Adversary(
    name="every-tool",
    summary="calls all tools with names their results showed, submits these and the prompt",
    below=0.3,
    plan=_every_tool,
)
GENERAL = (NO_OP, RANDOM, EVERY_TOOL)
