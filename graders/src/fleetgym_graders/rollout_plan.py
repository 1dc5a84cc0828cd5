"""The form of a rollout plan: manifests, stages with their gates, and where to go back to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import ToolError
from fleetgym_cluster.releases.book import INDICATORS
from fleetgym_graders.form import Form

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


__all__ = ["ROLLOUT_SCHEMA", "Stage", "read_rollout", "stages_of"]

_MOST_STAGES = 40
_MOST_SOAK_MIN = 10_080
_SERVICE = {
    "type": "string",
    "minLength": 3,
    "maxLength": 130,
    "pattern": "^[^/]+/[^/]+$",
    "description": "namespace/name.",
}

ROLLOUT_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "manifests": {
            "type": "string",
            "minLength": 1,
            "maxLength": 60000,
            "description": "The objects that the release changes or adds, each in full, as YAML.",
        },
        "stages": {
            "type": "array",
            "minItems": 1,
            "maxItems": _MOST_STAGES,
            "items": {
                "type": "object",
                "properties": {
                    "service": _SERVICE,
                    "at": {
                        "type": "string",
                        "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$",
                        "description": "When it begins, for example 2026-03-02T09:00Z.",
                    },
                    "percent": {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": 100,
                        "description": "Of the replicas, with the new version when it is done.",
                    },
                    "soak_minutes": {"type": "integer", "minimum": 1, "maximum": _MOST_SOAK_MIN},
                    "gates": {
                        "type": "array",
                        "maxItems": 10,
                        "description": "What stops it.",
                        "items": {
                            "type": "object",
                            "properties": {
                                "indicator": {"enum": list(INDICATORS)},
                                "at_most": {"type": "number", "minimum": 0},
                            },
                            "required": ["indicator", "at_most"],
                            "additionalProperties": False,
                        },
                    },
                },
                "required": ["service", "at", "percent", "soak_minutes", "gates"],
                "additionalProperties": False,
            },
        },
        "rollback": {
            "type": "array",
            "maxItems": 10,
            "description": "The image to go back to, for each service.",
            "items": {
                "type": "object",
                "properties": {"service": _SERVICE, "image": {"type": "string", "maxLength": 500}},
                "required": ["service", "image"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["manifests", "stages", "rollback"],
    "additionalProperties": False,
}
"""JSON Schema of the artifact."""

_FORM = Form(ROLLOUT_SCHEMA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a service's rollout."""

    at: datetime
    percent: int
    soak_min: int
    gates: Sequence[tuple[str, float]]
    """Indicators, and the most that each may be."""

    @property
    def end(self) -> datetime:
        """When it has soaked."""
        return self.at + timedelta(minutes=self.soak_min)


def read_rollout(answer: str) -> dict[str, Any]:
    """Return the plan in an answer.

    Raises:
        ToolError: It does not fit :data:`ROLLOUT_SCHEMA`, or a time is none.
    """
    plan = _FORM.read(answer)
    for number, stage in enumerate(plan["stages"]):
        try:
            _moment(stage["at"])
        except (ValueError, OverflowError):
            raise ToolError(f"At ['stages'][{number}]: {stage['at']!r} is no time.") from None
    return plan


def stages_of(plan: Mapping[str, Any], service: str) -> list[Stage]:
    """Return the stages of one service, in the order of their time."""
    found = [
        Stage(
            at=_moment(stage["at"]),
            percent=stage["percent"],
            soak_min=stage["soak_minutes"],
            gates=[(gate["indicator"], gate["at_most"]) for gate in stage["gates"]],
        )
        for stage in plan["stages"]
        if stage["service"] == service
    ]
    return sorted(found, key=lambda stage: stage.at)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text).astimezone(UTC)
    if not 2000 <= moment.year <= 2100:  # what is added to it must stay a time
        raise ValueError(text)
    return moment
