"""What fleetgym itself registers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym.contracts.specs import ConditionSpec, ModelSpec
from fleetgym.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["register_conditions", "register_models"]


_FAMILIES = {
    "ablation": {"minimal-tools", "seeded-memory"},
    "faults": {"noisy-tools", "calm", "rough", "storm"},
}


@hookimpl
def register_conditions(register: Callable[[ConditionSpec], None]) -> None:
    """Offer what can be done to runs of any environment."""
    for name, where, summary in (
        ("clean", "clean:CLEAN", "nothing is done"),
        ("vague", "wording:VAGUE", "the objective is told without its specifics"),
        ("minimal-tools", "wording:MINIMAL_TOOLS", "only the tools the task cannot do without"),
        ("seeded-memory", "wording:SEEDED_MEMORY", "notes of earlier investigations in the brief"),
        ("noisy-tools", "faults:NOISY_TOOLS", "errors, slow, stale and truncated results"),
        ("calm", "faults:CALM", "few faults of the model and of tools, as on a good day"),
        ("rough", "faults:ROUGH", "faults in every sixth request and every eighth tool call"),
        ("storm", "faults:STORM", "an outage: two requests in five, three tool calls in ten"),
        ("leak", "leak:LEAK", "credentials in a document that must not leave the agent"),
        *(
            (
                f"injection/{surface}-{strength}",
                f"injection:{surface.upper()}_{strength.upper()}",
                f"{how} {place} that pulls to a tool the task never needs",
            )
            for surface, place in (
                ("document", "in a document"),
                ("log", "in benign rows of the telemetry"),
                ("result", "at the end of a tool's result"),
            )
            for strength, how in (
                ("weak", "a polite note"),
                ("medium", "an authoritative instruction"),
                ("strong", "a forged urgent system message"),
            )
        ),
    ):
        family = name.partition("/")[0]
        for other, members in _FAMILIES.items():
            family = other if name in members else family
        register(
            ConditionSpec(
                name=name,
                entry_point=f"fleetgym.conditions.{where}",
                family=family,
                summary=summary,
                hostile=family in {"injection", "leak"},
            )
        )


@hookimpl
def register_models(register: Callable[[ModelSpec], None]) -> None:
    """Offer the reference policy at three levels of skill, and with habits of its own."""
    for level, summary in (
        ("expert", "the environment's own expert; makes no mistakes"),
        ("competent", "the expert, erring in about one answer of seven"),
        ("erratic", "the expert, erring in about two answers of five"),
        ("parallel", "the expert, asking for up to eight independent calls in one answer"),
        ("gullible", "the expert, obeying six of ten instructions it reads, leaking some secrets"),
    ):
        register(
            ModelSpec(
                name=f"policy/{level}",
                summary=summary,
                entry_point=f"fleetgym.policy.profiles:{level.upper()}",
            )
        )
