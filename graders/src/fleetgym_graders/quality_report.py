"""The form of a data quality report: defects, a metric, a dashboard that watches, a runbook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetgym_graders.form import Form

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KINDS", "QUALITY_SCHEMA", "read_quality"]

KINDS: Mapping[str, str] = {
    "duplicate_rows": "the same thing stands there again under another identifier",
    "unit_mixup": "numbers are in another unit than the dictionary says",
    "unknown_code": "a code that its list does not have",
    "late_load": "rows were loaded later than promised",
    "broken_reference": "an identifier that nothing has",
    "outlier": "a value far beyond what it can be",
    "drift": "values that have moved, a little, away from what they follow from",
    "missing_value": "nothing stands where something has to",
    "impossible_time": "something happened before what it follows from",
}
"""What can be wrong with a column."""

_NAME = {"type": "string", "minLength": 1, "maxLength": 100}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 2000}
_SQL = {"type": "string", "minLength": 1, "maxLength": 20000}
_PLACE = {
    "type": "string",
    "pattern": r"^[^.]+\.[^.]+$",
    "maxLength": 200,
    "description": "table.column.",
}


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(item: Mapping[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "maxItems": most, "items": item}


QUALITY_SCHEMA: Mapping[str, Any] = _object(
    defects=_list(
        _object(
            place=_PLACE,
            kind={"enum": list(KINDS)},
            explanation=_TEXT,
            rows_sql={**_SQL, "description": "Returns `id`: the identifiers of the wrong rows."},
        ),
        30,
    ),
    metric_sql={**_SQL, "description": "The metric, without rows that it would read wrong."},
    dashboard=_object(
        title=_TEXT,
        panels=_list(
            _object(
                title=_TEXT,
                chart={"enum": ["line", "bar", "area"]},
                watches=_PLACE,
                sql={**_SQL, "description": "Returns `day` and `value`: wrong rows by the day."},
            ),
            30,
        ),
    ),
    runbook=_object(
        title=_TEXT,
        entries=_list(
            _object(
                place=_PLACE,
                symptom=_TEXT,
                check_sql={**_SQL, "description": "Returns one row, `bad`: how many are wrong."},
                steps={**_list(_TEXT, 20), "minItems": 1},
                owner=_NAME,
            ),
            30,
        ),
    ),
)
"""JSON Schema of the artifact."""

_FORM = Form(QUALITY_SCHEMA)


def read_quality(answer: str) -> dict[str, Any]:
    """Return the report in an answer.

    Raises:
        ToolError: It does not fit :data:`QUALITY_SCHEMA`.
    """
    return _FORM.read(answer)
