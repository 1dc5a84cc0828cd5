"""All alert rules."""

from __future__ import annotations

from fleetgym_env_incident_triage.acts import aks, cloud, linux

__all__ = ["RULES"]

RULES = {rule.name: rule for rule in (*linux.RULES, *aks.RULES, *cloud.RULES)}
"""By name."""
