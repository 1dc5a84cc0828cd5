"""From a build server to clusters and storage, and back to the servers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fleetgym_env_incident_triage.acts.act import Act
from fleetgym_env_incident_triage.cast import outside
from fleetgym_env_incident_triage.stories.pace import paced
from fleetgym_estate.drawing import one, some

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Estate

__all__ = ["intrude"]


def intrude(estate: Estate, rng: Generator) -> list[Act]:
    """Enter a build server, take what pipelines know, and use it on all platforms at once."""
    first, second = some(rng, [u.name for u in estate.linux_users if u.administrator], 2)
    entry = one(rng, [h for h in estate.hosts if h.role in {"ci", "build"}])
    target = one(rng, [h for h in estate.hosts if h.role in {"db", "files", "app"}])
    app = one(rng, estate.applications_for("deploy"))
    cluster = one(rng, estate.clusters_of("AKSAudit"))
    door, away = outside(estate, rng), outside(estate, rng)
    here = partial(Act, account=first, origin=door, asset=entry.name, at=estate.start)
    there = partial(Act, account=second, origin=entry.ip, asset=target.name, at=estate.start)
    machine = partial(Act, account=app.app_id, origin=away, at=estate.start)
    in_cluster = partial(
        Act, account=app.object_id, origin=away, asset=cluster.name, at=estate.start
    )
    settling = [
        here(rule="linux-credentials"),
        here(rule=one(rng, ("linux-autostart", "linux-log-tampering"))),
    ]
    spreading = [
        there(rule="linux-remote-session"),
        in_cluster(rule="aks-secrets-read"),
        in_cluster(rule=one(rng, ("aks-lasting-object", "aks-pod-exec"))),
    ]
    ending = [
        there(rule="linux-outbound-copy"),
        machine(rule="cloud-blob-download", asset=one(rng, estate.storage_accounts).name),
    ]
    if rng.random() < 0.5:
        vault = one(rng, estate.key_vaults).name.lower()
        ending.append(machine(rule="cloud-vault-harvest", asset=vault))
    acts = [
        here(rule="linux-remote-session"),
        *some(rng, settling, len(settling)),
        machine(rule="cloud-principal-sign-in", asset="", thing=app.display_name),
        *some(rng, spreading, len(spreading)),
        *some(rng, ending, len(ending)),
    ]
    return paced(estate, rng, acts)
