"""Who does what from where when nobody means harm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fleetgym_estate.drawing import one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from fleetgym_env_incident_triage.acts.act import Act, Rule
    from fleetgym_env_incident_triage.desk import Desk
    from fleetgym_estate.estate import Estate

__all__ = ["ROLES", "Cast", "outside", "unused"]

ROLES = (
    "Application Administrator",
    "Security Reader",
    "Exchange Administrator",
    "User Administrator",
)


def outside(estate: Estate, rng: Generator) -> str:
    """Return an address that nothing of the estate uses."""
    return estate.outside_ips(rng, 1)[0]


def unused(rng: Generator) -> str:
    """Return a private address that no host of an estate has."""
    return f"10.{rng.integers(8, 200)}.{rng.integers(0, 250)}.{rng.integers(200, 250)}"


@dataclass(frozen=True, slots=True)
class Cast:
    """Draws accounts, origins and assets, some of them the ones that an intruder uses as well."""

    estate: Estate
    rng: Generator
    desk: Desk
    intrusion: Sequence[Act]

    def asset(self, rule: Rule) -> tuple[str, str]:
        """Return asset and thing; one time in three the asset is one that the intruder reached."""
        rng, estate = self.rng, self.estate
        reached = [
            a.asset
            for a in self.intrusion
            if a.rule.partition("-")[0] == rule.name.partition("-")[0]
        ]
        family = rule.name.partition("-")[0]
        if rule.name == "cloud-directory-change":
            app = one(rng, estate.applications[:12]).display_name
            return "", one(rng, (app, app, one(rng, ROLES), one(rng, estate.employees).upn))
        if rule.name == "cloud-principal-sign-in":
            return "", one(rng, estate.applications[:12]).display_name
        if rule.entity == "account":
            return "", ""
        if family == "linux":
            names = [host.name for host in estate.hosts]
        elif rule.name in {"aks-unusual-origin", "aks-secrets-read"}:
            names = [cluster.name for cluster in estate.clusters_of("AKSAudit")]
        elif family == "aks":
            names = [cluster.name for cluster in estate.clusters]
        elif rule.name == "cloud-vault-harvest":
            names = [vault.name for vault in estate.key_vaults]
        else:
            names = [account.name for account in estate.storage_accounts]
        near = [name for name in reached if name in names]
        return (one(rng, near) if near and rng.random() < 0.35 else one(rng, names)), ""

    def account(self, rule: Rule, thing: str = "") -> str:
        """Return an account; on Linux three times in ten a stolen one, whose owner still works."""
        rng, estate = self.rng, self.estate
        if rule.name == "cloud-principal-sign-in":
            return next(a.app_id for a in estate.applications if a.display_name == thing)
        if rule.name.startswith("linux"):
            able = [user.name for user in estate.linux_users if user.administrator]
            stolen = [a.account for a in self.intrusion if a.account in able]
            return one(rng, stolen) if stolen and rng.random() < 0.3 else one(rng, able)
        if rule.name.startswith("aks"):
            return one(rng, estate.kubernetes_users).upn
        if rule.name in {"cloud-vault-harvest", "cloud-blob-download"} and rng.random() < 0.5:
            return one(rng, estate.applications[:12]).app_id
        if rule.entity == "account" or "@" in thing:
            return thing or one(rng, estate.employees).upn
        return one(rng, estate.administrators).upn

    def origin(self, rule: Rule, account: str) -> str:
        """Return an address outside, one of a server, or the person's own."""
        rng, estate = self.rng, self.estate
        usual = self.desk.workstations(account)
        if not rule.name.startswith("linux"):
            known = rng.random() < 0.3 and usual and not rule.about_origins
            return usual[-1] if known else outside(estate, rng)
        number = rng.random()
        if number < 0.45:
            return outside(estate, rng)
        if number < 0.75 or rule.about_origins or not usual:
            return one(rng, estate.hosts).ip
        return usual[0]

    def when(self) -> datetime:
        """Return a time that leaves room before and after it."""
        minutes = int(self.rng.integers(90, 46 * 60))
        seconds = float(self.rng.uniform(0, 60))
        return self.estate.start + timedelta(minutes=minutes, seconds=round(seconds, 3))
