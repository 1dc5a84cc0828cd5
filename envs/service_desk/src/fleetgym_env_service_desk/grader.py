"""Grades what the desk holds when the agent hands in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from fleetgym.contracts.errors import ToolError
from fleetgym.contracts.scoring import Checkpoint
from fleetgym.contracts.tools import ToolCall
from fleetgym_env_service_desk.scenarios import scenarios

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fleetgym.contracts.scoring import Trajectory
    from fleetgym.contracts.tools import ToolResult

__all__ = ["DeskGrader"]

_ABOUT_IT = 0.5
"""How much of ``C3_tickets`` makes an incident that of the outage."""


class DeskGrader:
    """Asks the server for the incident, and believes nothing else."""

    name = "desk/state"
    version = "2"

    def read(self, answer: str) -> Mapping[str, Any]:
        """Return the artifact, which must be exactly what the schema says."""
        try:
            artifact = json.loads(answer)
        except (ValueError, RecursionError) as error:
            raise ToolError(f"The answer is no JSON: {error}.") from error
        form = Draft202012Validator(scenarios()[0].artifact_schema)
        problem = next(form.iter_errors(artifact), None)  # pyright: ignore[reportUnknownMemberType]
        if problem is not None:
            raise ToolError(f"The answer does not fit: {problem.message[:300]}.")
        return artifact

    def examine(
        self, artifact: Mapping[str, Any], execute: Callable[[ToolCall], ToolResult]
    ) -> Mapping[str, Any]:
        """Return the incident as the desk has it, None when there is none."""
        found = execute(ToolCall("get_incident", {"incident": artifact["incident"]}))
        incident = None if found.is_error else json.loads(found.content)
        return {"cause": artifact["cause"], "incident": incident}

    def checkpoints(self, truth: Mapping[str, Any]) -> Sequence[Checkpoint]:
        """Return five checkpoints; only the first is reached before the end."""

        def looked_up(steps: Trajectory) -> float:
            wanted = {("explain_error_code", truth["code"]), ("get_change", truth["cause"])}
            asked = {
                (step.call.name, value)
                for step in steps
                if not step.result.is_error
                for value in step.call.arguments.values()
                if isinstance(value, str)
            }
            return len(wanted & asked) / len(wanted)

        def named_cause(steps: Trajectory) -> float:
            return float(steps[-1].facts.get("cause") == truth["cause"])

        def linked(steps: Trajectory) -> float:
            # How much better than without looking: linking all tickets, or any, is worth nothing.
            found = set(_incident(steps).get("tickets", ()))
            expected, others = set(truth["tickets"]), set(truth["others"])
            return max(0.0, _share(found, expected) - _share(found, others))

        def holds(name: str) -> Callable[[Trajectory], float]:
            # Without its tickets an incident is about something else, and service, priority and
            # person are guesses.
            return lambda steps: float(
                linked(steps) >= _ABOUT_IT and _incident(steps).get(name) == truth[name]
            )

        return (
            Checkpoint(name="C1_evidence", weight=0.10, reached=looked_up),
            Checkpoint(name="C2_cause", weight=0.25, reached=named_cause),
            Checkpoint(name="C3_tickets", weight=0.35, reached=linked),
            Checkpoint(name="C4_service", weight=0.05, reached=holds("service")),
            Checkpoint(name="C5_priority", weight=0.10, reached=holds("priority")),
            Checkpoint(name="C6_assignee", weight=0.15, reached=holds("assignee")),
        )


def _share(found: set[str], tickets: set[str]) -> float:
    return len(found & tickets) / len(tickets) if tickets else 0.0


def _incident(steps: Trajectory) -> Mapping[str, Any]:
    return steps[-1].facts.get("incident") or {}
