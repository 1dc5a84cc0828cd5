"""The deterministic grader of rollout plans: manifests are applied, and each rule is looked at.

Rules come in groups, and a group is worth the cube of the share of its rules that hold: half of a
schedule kept by luck is no schedule. Nothing but the manifests counts in a plan that does not bring
the new version to all pods, and what comes after the placement counts by what that is worth: times
and costs of the wrong pods are those of another plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.scoring import Checkpoint
from fleetgym.contracts.tools import ToolCall
from fleetgym_cluster.releases.book import Book
from fleetgym_graders.answers import ask
from fleetgym_graders.rollout_plan import read_rollout, stages_of
from fleetgym_graders.rollout_rules import (
    MANIFESTS,
    PLACEMENT,
    SCHEDULE,
    SERVICE_LEVELS,
    Rollout,
    over_budget,
)
from fleetgym_graders.trajectories import facts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fleetgym.contracts.json import JsonObject
    from fleetgym.contracts.scoring import Trajectory
    from fleetgym.contracts.tools import ToolResult
    from fleetgym_graders.rollout_rules import Rule

__all__ = ["RolloutGrader", "RolloutTruth", "problems"]

_COST: Mapping[str, Rule] = {"cost": over_budget}
_DELIVERY = tuple(MANIFESTS[name] for name in ("accepted", "image", "complete"))
_POWER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutTruth:
    """What a rollout is judged by."""

    book: Book
    running: Mapping[str, str]
    """The image that runs today, by service."""

    documents: Sequence[str]
    """That a planner has to read."""

    def to_json(self) -> JsonObject:
        """Return the truth as JSON; :meth:`from_json` restores it."""
        return {
            "book": self.book.to_json(),
            "running": dict(self.running),
            "documents": list(self.documents),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RolloutTruth:
        """Return the truth that :meth:`to_json` gave.

        Raises:
            KeyError: A field is missing.
        """
        return cls(
            book=Book.from_json(data["book"]),
            running=data["running"],
            documents=data["documents"],
        )


class RolloutGrader:
    """Grades rollout plans."""

    name = "rollout/strict"
    version = "1"

    def read(self, answer: str) -> Mapping[str, Any]:
        """Return the plan in ``answer``.

        Raises:
            ToolError: It does not have the required form.
        """
        return read_rollout(answer)

    def examine(
        self, artifact: Mapping[str, Any], execute: Callable[[ToolCall], ToolResult]
    ) -> Mapping[str, Any]:
        """Apply the manifests in the sandbox's cluster, and say what came of them.

        Returns:
            ``stages`` and ``rollback`` of the artifact, and ``outcome``, as
            ``fleetgym_cluster.releases.measure`` has it.
        """
        call = ToolCall("grade_release", {"manifests": artifact["manifests"]})
        return {
            "stages": artifact["stages"],
            "rollback": artifact["rollback"],
            "outcome": ask(execute, call),
        }

    def checkpoints(self, truth: RolloutTruth) -> Sequence[Checkpoint]:
        """Return the seven checkpoints of an instance."""
        table: tuple[tuple[str, float, Callable[[RolloutTruth, Trajectory], float]], ...] = (
            ("R0_sources", 0.10, _sources),
            ("R1_dry_run", 0.05, _tried),
            ("R2_manifests", 0.10, partial(_kept, MANIFESTS)),
            ("R3_placement", 0.25, _placed),
            ("R4_schedule", 0.20, partial(_kept_where_placed, SCHEDULE)),
            ("R5_service_levels", 0.15, partial(_kept_where_placed, SERVICE_LEVELS)),
            ("R6_cost", 0.15, partial(_kept_where_placed, _COST)),
        )
        return tuple(
            Checkpoint(name=name, weight=weight, reached=partial(reached, truth))
            for name, weight, reached in table
        )


def problems(truth: RolloutTruth, facts: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what is wrong with a plan, by service and rule; no entry where all is well.

    Args:
        truth: What it is judged by.
        facts: What its submission showed.
    """
    groups = (MANIFESTS, PLACEMENT, SCHEDULE, SERVICE_LEVELS, _COST)
    found = {
        f"{rollout.order.service} {name}": list(rule(rollout))
        for rollout in _rollouts(truth, facts)
        for group in groups
        for name, rule in group.items()
    }
    return {name: wrong for name, wrong in found.items() if wrong}


def _sources(truth: RolloutTruth, trajectory: Trajectory) -> float:
    """Return the share of documents, cards, forecasts and the calendar that were read."""
    read = {
        (step.call.name, str(value))
        for step in trajectory
        if not step.result.is_error
        for value in (*step.call.arguments.values(), "")
    }
    services = [order.service for order in truth.book.release.orders]
    wanted = [
        *(("read_document", name) for name in truth.documents),
        *(("service_card", service) for service in services),
        *(("traffic_forecast", service) for service in services),
        ("change_calendar", ""),
    ]
    return sum(one in read for one in wanted) / len(wanted)


def _tried(truth: RolloutTruth, trajectory: Trajectory) -> float:
    """Return the share of services whose new image an accepted dry run has shown."""
    shown = "\n".join(
        step.result.content
        for step in trajectory
        if step.call.name == "kubectl_diff" and not step.result.is_error
    )
    orders = truth.book.release.orders
    return sum(f"-> '{order.image}'" in shown for order in orders) / len(orders)


def _kept(group: Mapping[str, Rule], truth: RolloutTruth, trajectory: Trajectory) -> float:
    """Return the cube of the share of a group's rules that hold, over all services."""
    rollouts = _rollouts(truth, facts_of(trajectory))
    held = [not any(rule(rollout)) for rollout in rollouts for rule in group.values()]
    return (sum(held) / len(held)) ** _POWER if held else 0.0


def _placed(truth: RolloutTruth, trajectory: Trajectory) -> float:
    """Return what the placement is worth in a plan that delivers; 0 in others."""
    return _kept(PLACEMENT, truth, trajectory) if _delivers(truth, trajectory) else 0.0


def _kept_where_placed(
    group: Mapping[str, Rule], truth: RolloutTruth, trajectory: Trajectory
) -> float:
    """Return what a group is worth, times what the placement is worth."""
    placed = _placed(truth, trajectory)
    return placed * _kept(group, truth, trajectory) if placed else 0.0


def _delivers(truth: RolloutTruth, trajectory: Trajectory) -> bool:
    rollouts = _rollouts(truth, facts_of(trajectory))
    return bool(rollouts) and all(
        rollout.stages
        and rollout.stages[-1].percent == 100
        and not any(problem for rule in _DELIVERY for problem in rule(rollout))
        for rollout in rollouts
    )


def _rollouts(truth: RolloutTruth, facts: Mapping[str, Any]) -> list[Rollout]:
    """Return the rollout of each service of the release; none before the submission."""
    if not facts:
        return []
    outcome = facts["outcome"]
    orders = truth.book.release.orders
    stages = {order.service: stages_of(facts, order.service) for order in orders}
    return [
        Rollout(
            book=truth.book,
            order=order,
            stages=stages[order.service],
            ends={name: found[-1].end for name, found in stages.items() if found},
            running=truth.running[order.service],
            rollback=[one["image"] for one in facts["rollback"] if one["service"] == order.service],
            measured=outcome.get("services", {}).get(order.service, {}),
            outcome=outcome,
        )
        for order in orders
    ]
