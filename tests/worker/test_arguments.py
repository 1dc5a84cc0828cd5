from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fleetgym.contracts.tools import ToolSpec
from fleetgym.worker import argument_model

SPEC = ToolSpec(
    name="search",
    description="Search.",
    parameters={
        "type": "object",
        "properties": {
            "text": {"type": "string", "description": "What for."},
            "limit": {"type": "integer", "minimum": 1, "maximum": 9, "default": 5},
            "kinds": {"type": "array", "items": {"type": "string"}},
            "order": {"enum": ["new", "old"]},
            "filter": {"type": "object"},
            "model_id": {"type": ["string", "integer"]},
        },
        "required": ["text"],
        "additionalProperties": False,
    },
)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"text": "a"}, id="least"),
        pytest.param(
            {
                "text": "a",
                "limit": 9,
                "kinds": ["x"],
                "order": "old",
                "filter": {"deep": {"er": 1}},
                "model_id": 3,
            },
            id="all",
        ),
    ],
)
def test_what_the_schema_allows_comes_through_unchanged(arguments: dict[str, Any]) -> None:
    model = argument_model(SPEC).model_validate(arguments)
    assert model.model_dump(exclude_unset=True) == arguments


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({}, id="missing"),
        pytest.param({"text": 1}, id="type"),
        pytest.param({"text": "a", "limit": 10}, id="limit"),
        pytest.param({"text": "a", "kinds": [1]}, id="item"),
        pytest.param({"text": "a", "order": "odd"}, id="enum"),
        pytest.param({"text": "a", "more": 1}, id="extra"),
        pytest.param({"text": "a", "model_id": [1]}, id="union"),
    ],
)
def test_what_the_schema_forbids_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        argument_model(SPEC).model_validate(arguments)


def test_a_model_is_told_what_the_schema_says() -> None:
    told = argument_model(SPEC).model_json_schema()
    assert told["required"] == ["text"]
    assert told["additionalProperties"] is False
    assert told["properties"]["text"] == {
        "description": "What for.",
        "title": "Text",
        "type": "string",
    }
    assert told["properties"]["limit"] == {
        "default": 5,
        "maximum": 9,
        "minimum": 1,
        "title": "Limit",
        "type": "integer",
    }


def test_a_tool_without_arguments_takes_none() -> None:
    spec = ToolSpec(name="list", description="List.", parameters={"type": "object"})
    assert argument_model(spec).model_validate({}).model_dump() == {}
