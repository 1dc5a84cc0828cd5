"""Registers the graders of this distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym.contracts.specs import GraderSpec
from fleetgym.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["register_graders"]


@hookimpl
def register_graders(register: Callable[[GraderSpec], None]) -> None:
    """Offer the graders of this distribution."""
    register(
        GraderSpec(
            name="cti/strict",
            entry_point="fleetgym_graders.strict:StrictGrader",
            summary="Deterministic: executes the query and the rule, row-level F1 on attack rows",
        )
    )
    register(
        GraderSpec(
            name="cti/compat",
            entry_point="fleetgym_graders.compat:CompatGrader",
            summary="CTI-REALM's own formulas; without a judge the highest score is 0.725",
        )
    )
    register(
        GraderSpec(
            name="triage/strict",
            entry_point="fleetgym_graders.triage:TriageGrader",
            summary="Deterministic: verdicts, scope, kill chain, and evidence rows looked up again",
        )
    )
    register(
        GraderSpec(
            name="k8s/strict",
            entry_point="fleetgym_graders.repair:RepairGrader",
            summary="Deterministic: changes are made, workloads recover, and nothing else suffers",
        )
    )
    register(
        GraderSpec(
            name="exploration/strict",
            entry_point="fleetgym_graders.exploration:ExplorationGrader",
            summary="Deterministic: compares what tables are said to be, executes the query twice",
        )
    )
    register(
        GraderSpec(
            name="quality/strict",
            entry_point="fleetgym_graders.quality:QualityGrader",
            summary="Deterministic: executes every query of a report, on wrong and on right data",
        )
    )
    register(
        GraderSpec(
            name="rollout/strict",
            entry_point="fleetgym_graders.rollout:RolloutGrader",
            summary="Deterministic: manifests are applied, each rule is looked at, one by one",
        )
    )
