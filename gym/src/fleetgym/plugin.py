"""What fleetgym itself registers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym.contracts.specs import ModelSpec
from fleetgym.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["register_models"]


@hookimpl
def register_models(register: Callable[[ModelSpec], None]) -> None:
    """Offer the reference policy at three levels of skill."""
    for level, summary in (
        ("expert", "the environment's own expert; makes no mistakes"),
        ("competent", "the expert, erring in about one answer of seven"),
        ("erratic", "the expert, erring in about two answers of five"),
    ):
        register(
            ModelSpec(
                name=f"policy/{level}",
                summary=summary,
                entry_point=f"fleetgym.policy.profiles:{level.upper()}",
            )
        )
