"""The form of a data contract: what tables hold, how they hang together, and a query over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetgym_graders.form import Form

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["CONTRACT_SCHEMA", "ENTITIES", "ROLES", "UNITS", "read_contract"]

ENTITIES = (
    "customer", "product", "order", "order_line", "payment", "shipment", "carrier", "code",
)  # fmt: skip
"""What a row of a table is."""

ROLES: Mapping[str, str] = {
    "identifier": "names the row, and is what other tables refer to",
    "reference": "names a row of another table",
    "line_number": "counts within something else",
    "name": "what people call it",
    "code": "stands for something in a table of codes",
    "domain": "which list a code belongs to",
    "label": "what a code stands for",
    "time": "a point in time",
    "money": "an amount or a price",
    "mass": "how heavy something is",
    "ratio": "a share of something",
    "quantity": "how many",
    "flag": "yes or no",
    "text": "a remark",
    "technical": "nothing of the business: load times, row counters, constants",
}
"""What a column is for."""

UNITS: Mapping[str, str] = {
    "none": "without a unit",
    "eur": "euro",
    "cent": "hundredths of a euro",
    "mill": "thousandths of a euro",
    "gram": "",
    "kilogram": "",
    "percent": "of a hundred",
    "fraction": "of one",
    "timestamp": "a column type of its own, UTC",
    "epoch_second": "since 1970, UTC",
    "epoch_millisecond": "since 1970, UTC",
    "text_time": "written out, UTC",
}
"""What a column's numbers count; ``none`` for all but times, money, mass and ratios."""

_NAME = {"type": "string", "minLength": 1, "maxLength": 100}

CONTRACT_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "tables": {
            "type": "array",
            "minItems": 1,
            "maxItems": 40,
            "items": {
                "type": "object",
                "properties": {
                    "table": _NAME,
                    "entity": {"enum": list(ENTITIES), "description": "What a row is."},
                    "key": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 5,
                        "items": _NAME,
                        "description": "The fewest columns that name a row.",
                    },
                    "columns": {
                        "type": "array",
                        "maxItems": 100,
                        "items": {
                            "type": "object",
                            "properties": {
                                "column": _NAME,
                                "role": {"enum": list(ROLES)},
                                "unit": {"enum": list(UNITS)},
                            },
                            "required": ["column", "role", "unit"],
                            "additionalProperties": False,
                        },
                    },
                },
                "required": ["table", "entity", "key", "columns"],
                "additionalProperties": False,
            },
        },
        "relations": {
            "type": "array",
            "maxItems": 60,
            "description": "Each reference, and the identifier that it refers to.",
            "items": {
                "type": "object",
                "properties": {
                    "from": {**_NAME, "description": "table.column"},
                    "to": {**_NAME, "description": "table.column"},
                },
                "required": ["from", "to"],
                "additionalProperties": False,
            },
        },
        "sql": {
            "type": "string",
            "minLength": 1,
            "maxLength": 20000,
            "description": "One SELECT that answers the question.",
        },
    },
    "required": ["tables", "relations", "sql"],
    "additionalProperties": False,
}
"""JSON Schema of the artifact."""

_FORM = Form(CONTRACT_SCHEMA)


def read_contract(answer: str) -> dict[str, Any]:
    """Return the contract in an answer.

    Raises:
        ToolError: It does not fit :data:`CONTRACT_SCHEMA`.
    """
    return _FORM.read(answer)
