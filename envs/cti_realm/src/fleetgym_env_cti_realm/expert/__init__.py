"""The expert of CtiRealm-v1, driven by observations only.

It knows the craft: which report asks for which hunt, and how such hunts go. Of an instance it knows
what the tools told it, so nothing in this package imports the generator or the scenarios.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from fleetgym.contracts.errors import PlanLost
from fleetgym_env_cti_realm.expert import craft

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetgym.contracts.policy import Plan
    from fleetgym_env_cti_realm.expert.craft import Hunt, Report

__all__ = ["CtiExpert"]

_HUNTS = {
    "core-linux-cron-persistence": "linux_cron_persistence",
    "core-linux-ssh-key-implant": "linux_ssh_key_implant",
    "core-linux-callback-shell": "linux_callback_shell",
    "core-aks-exec-secrets": "aks_exec_secrets",
    "core-aks-privileged-daemonset": "aks_privileged_daemonset",
    "core-aks-binding-backdoor": "aks_binding_backdoor",
    "core-azure-service-principal-abuse": "azure_service_principal_abuse",
    "core-azure-storage-exfil": "azure_storage_exfil",
    "core-azure-inbox-rule-bec": "azure_inbox_rule_bec",
    "core-azure-vault-self-grant": "azure_vault_self_grant",
    "core-azure-spray-new-factor": "azure_spray_new_factor",
    "core-azure-consent-harvest": "azure_consent_harvest",
}


class CtiExpert:
    """Solves every scenario of the environment."""

    def plan(self, prompt: str) -> Plan:
        """Find the report, hunt as it asks for, write the detection, submit it."""
        try:
            detection = yield from _hunted(prompt)
        # What a hunt trips over that finds nothing, or reads what is no answer to its question.
        except (LookupError, RuntimeError, TypeError, ValueError) as error:
            raise PlanLost(f"The trail is lost: {error!r}.") from error
        yield from craft.hand_in(detection)


def _hunted(prompt: str) -> Hunt:
    report = yield from craft.find_report(craft.objective(prompt), known=_HUNTS)
    hunt: Callable[[Report], Hunt] = import_module(f"{__name__}.{_HUNTS[report.id]}").hunt
    return (yield from hunt(report))
