"""The scenarios of CtiRealm-v1: what can be declared of each stands in a YAML file here."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgym.scenarios.files import load_scenarios

if TYPE_CHECKING:
    from fleetgym.contracts.scenario import Scenario

__all__ = ["scenarios"]

_ORDER = (
    "linux-cron-persistence",
    "linux-ssh-key-implant",
    "linux-callback-shell",
    "aks-exec-secrets",
    "aks-privileged-daemonset",
    "aks-binding-backdoor",
    "azure-service-principal-abuse",
    "azure-storage-exfil",
    "azure-inbox-rule-bec",
    "azure-vault-self-grant",
    "azure-spray-new-factor",
    "azure-consent-harvest",
)
"""In which they are listed; the first is the environment's default."""


@cache
def scenarios() -> tuple[Scenario, ...]:
    """Return every scenario."""
    return load_scenarios(Path(__file__).parent, order=_ORDER)
