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
    from fleetgym_env_cti_realm.expert.craft import Hunt

__all__ = ["HUNTS", "CtiExpert"]

HUNTS = {
    "linux_cron_persistence": "the cron daemon",
    "linux_ssh_key_implant": "a public key",
    "linux_callback_shell": "connect back",
    "aks_exec_secrets": "the tokens of their service accounts",
    "aks_privileged_daemonset": "DaemonSets",
    "aks_binding_backdoor": "a binding",
    "azure_service_principal_abuse": "mapped the directory",
    "azure_storage_exfil": "storage accounts",
    "azure_inbox_rule_bec": "inbox rule",
    "azure_vault_self_grant": "key vaults",
    "azure_spray_new_factor": "second factor",
    "azure_consent_harvest": "Connect consents",
}
"""Hunts, and the words by which an objective asks for each of them."""


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
    """Hunt as the report asks for that fits; without reports, as the objective does."""
    objective = craft.objective(prompt)
    by_report = {f"core-{name.replace('_', '-')}": name for name in HUNTS}
    report = yield from craft.find_report(objective, known=by_report)
    name = by_report[report.id] if report else _asked_for(objective)
    hunt: Callable[[], Hunt] = import_module(f"{__name__}.{name}").hunt
    return (yield from hunt())


def _asked_for(objective: str) -> str:
    """Return the hunt whose words the objective has; LookupError when there is none."""
    for name, words in HUNTS.items():
        if words in objective:
            return name
    raise LookupError("no hunt fits the objective")
