"""Tells fleetgym of this environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym.contracts.specs import EnvSpec
from fleetgym.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["register_environments"]


@hookimpl
def register_environments(register: Callable[[EnvSpec], None]) -> None:
    """Offer K8sTroubleshooting-v1."""
    register(
        EnvSpec(
            id="fleetgym/K8sTroubleshooting-v1",
            entry_point="fleetgym_env_k8s_troubleshooting.env:K8sTroubleshootingEnv",
            scenarios="fleetgym_env_k8s_troubleshooting.scenarios:scenarios",
            policy="fleetgym_env_k8s_troubleshooting.expert:ClusterExpert",
            graders=("k8s/strict",),
            summary="A cluster in which something is wrong: say what, and mend it without harm",
            adversaries="fleetgym_env_k8s_troubleshooting.adversaries:ADVERSARIES",
        )
    )
