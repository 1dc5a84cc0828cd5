"""Calls drawn at random, of schemas as tools and MCP servers write them."""

from __future__ import annotations

from typing import Any

import pytest

from fleetgym.contracts.tools import ToolSpec
from fleetgym.env import ToolCallSpace

KIND = {"Kind": {"enum": ["a", "b"], "type": "string"}}


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": "string", "minLength": 30}, id="text"),
        pytest.param({"anyOf": [{"type": "integer", "minimum": 5}, {"type": "null"}]}, id="any of"),
        pytest.param({"oneOf": [{"const": 7}, {"type": "boolean"}]}, id="one of"),
        pytest.param({"$ref": "#/$defs/Kind"}, id="reference"),
        pytest.param(
            {"type": "array", "items": {"$ref": "#/$defs/Kind"}, "minItems": 2}, id="list"
        ),
        pytest.param({"type": ["integer", "null"]}, id="several types"),
        pytest.param({"type": "number", "minimum": 2.5}, id="number"),
        pytest.param({"type": "object", "properties": {"x": {"type": "null"}}}, id="nested"),
    ],
)
def test_every_sample_is_a_valid_call(schema: dict[str, Any]) -> None:
    parameters = {
        "type": "object",
        "properties": {"it": schema},
        "required": ["it"],
        "$defs": KIND,
    }
    space = ToolCallSpace([ToolSpec(name="do", description="", parameters=parameters)], seed=0)
    assert all(space.contains(space.sample()) for _ in range(20))
