"""IncidentTriage-v1 as a Gymnasium env."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from fleetgym.contracts.errors import ToolError
from fleetgym.contracts.tools import ToolSpec
from fleetgym.env import LocalTool, ToolEnv
from fleetgym_env_incident_triage.instance import generate
from fleetgym_graders.incident import IncidentTruth
from fleetgym_graders.report import read_report
from fleetgym_kb.desk import DESK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["IncidentTriageEnv"]


class IncidentTriageEnv(ToolEnv):
    """From an alert queue to a report of the one intrusion that is in it."""

    toolsets: ClassVar[tuple[str, ...]] = ("fleetgym_kb.desk", "fleetgym.toolserver.telemetry")
    sources: ClassVar[tuple[str, ...]] = ("fleetgym_estate",)
    surfaces: ClassVar[frozenset[str]] = frozenset({"document"})

    def generate(self, seed: int, directory: Path) -> tuple[str, Mapping[str, Any]]:
        """Write telemetry and desk of one instance."""
        instance = generate(self.scenario, seed, directory)
        return instance.prompt, instance.truth.to_json()

    def decode_truth(self, truth: Mapping[str, Any]) -> IncidentTruth:
        """Return the truth that the grader takes."""
        return IncidentTruth.from_json(truth)

    def plant(self, directory: Path, surface: str, text: str, seed: int) -> None:
        """Put ``text`` as a note on every change of the calendar and every contact."""
        del surface, seed
        path = directory / DESK
        desk = json.loads(path.read_text("utf-8"))
        for entry in (*desk["changes"], *desk["contacts"]):
            entry["note"] = text
        path.write_text(json.dumps(desk), "utf-8")

    def local_tools(self) -> Sequence[LocalTool]:
        """Offer the validator of the report's form."""
        return (LocalTool(spec=_VALIDATE, answer=_validate_report),)


_VALIDATE = ToolSpec(
    name="validate_report",
    description=(
        "Check the form of a report before submitting it. Says what to fix; never affects the "
        "score."
    ),
    parameters={
        "type": "object",
        "properties": {"report": {"type": "string", "description": "The report as JSON."}},
        "required": ["report"],
        "additionalProperties": False,
    },
)


def _validate_report(report: str) -> str:
    try:
        read = read_report(report)
    except ToolError as error:
        return json.dumps({"valid": False, "error": str(error)})
    counts = {
        "verdicts": len(read["verdicts"]),
        "stages": len(read["incident"]["stages"]),
    }
    return json.dumps({"valid": True, **counts, "next_step": "Call submit with this JSON."})
