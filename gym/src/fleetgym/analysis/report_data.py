"""What the report embeds, packed so that the file stays small: index, curves, trajectories."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fleetgym.analysis.curves import reward_curves
from fleetgym.analysis.summary import group_of, score_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetgym.contracts.record import RunRecord

__all__ = ["embedded", "pack"]

_SHARED_FROM = 400
"""Tool results from this many characters on are stored once, however many runs met them."""

_ALL = ""
"""The name of all scenarios, or conditions, together."""


def pack(text: str) -> str:
    """Return ``text`` compressed by gzip, in base64; equal texts give equal packs."""
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode()


def embedded(records: Sequence[RunRecord], specification: dict[str, Any], code: str) -> str:
    """Return everything the page's script needs, as JSON that may stand in a script element.

    Trajectories are packed one by one, so that the page unpacks what is looked at and nothing else.

    Args:
        records: Any runs.
        specification: Of the chart.
        code: What draws it.
    """
    texts: dict[str, int] = {}
    runs = {record.run_id: pack(_compact(_trajectory(record, texts))) for record in records}
    data = {
        "index": pack(_compact([_entry(record) for record in records])),
        "curves": pack(_compact(_curves(records))),
        "chart": specification,
        "code": pack(code),
        "runs": runs,
        "texts": [pack(text) for text in texts],
    }
    return _compact(data).replace("<", "\\u003c")


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _entry(record: RunRecord) -> dict[str, Any]:
    """Return what the table of runs shows."""
    key, usage = record.key, record.usage
    return {
        "id": record.run_id,
        "framework": group_of(key),
        "scenario": key.scenario,
        "condition": key.condition,
        "seed": key.seed,
        "outcome": record.outcome.value,
        "category": record.category.value if record.category else "",
        "detail": record.detail,
        "score": score_of(record) if record.score else None,
        "steps": usage.steps,
        "calls": usage.model_calls,
        "tokens": usage.input_tokens + usage.output_tokens,
        "seconds": usage.wall_s,
    }


def _curves(records: Sequence[RunRecord]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return curves by condition and scenario; of one condition alone, those of all."""
    scenarios = sorted({record.key.scenario for record in records})
    conditions = sorted({record.key.condition for record in records})
    return {
        condition: {
            scenario: [asdict(curve) for curve in reward_curves(chosen, scenario or None)]
            for scenario in (_ALL, *scenarios)
        }
        for condition in (_ALL, *(conditions if len(conditions) > 1 else ()))
        if (chosen := [r for r in records if condition in (_ALL, r.key.condition)])
    }


def _trajectory(record: RunRecord, texts: dict[str, int]) -> dict[str, Any]:
    """Return a record as JSON, long tool results replaced by their number in ``texts``."""
    data = record.model_dump(mode="json", exclude_defaults=True)
    for step in data.get("steps", ()):
        content = step["content"]
        if len(content) >= _SHARED_FROM:
            step["content"] = texts.setdefault(content, len(texts))
    return data
