"""From a stolen kubectl session to what an application can reach."""

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
    """Enter a cluster, work in its pods, take a token, go on with it and beyond the cluster."""
    full, reduced = estate.clusters_of("AKSAudit"), estate.clusters_of("AKSAuditAdmin")
    cluster, next_cluster = one(rng, full), one(rng, reduced)
    person = one(rng, estate.kubernetes_users).upn
    work = one(rng, [w for w in cluster.workloads if w.service_account == w.name])
    token = f"system:serviceaccount:{work.namespace}:{work.service_account}"
    app = one(rng, estate.applications_for("service"))
    entry, away = outside(estate, rng), outside(estate, rng)
    early = partial(Act, origin=entry, asset=cluster.name, at=estate.start)
    late = partial(Act, origin=away, at=estate.start)
    settling = [
        early(rule="aks-pod-exec", account=person),
        early(rule="aks-lasting-object", account=person),
        early(rule="aks-secrets-read", account=token),
    ]
    spreading = [
        early(
            rule=one(rng, ("aks-pod-exec", "aks-lasting-object")),
            account=person,
            asset=next_cluster.name,
        ),
        late(rule="cloud-principal-sign-in", account=app.app_id, asset="", thing=app.display_name),
    ]
    ending = [
        late(
            rule="cloud-blob-download",
            account=app.app_id,
            asset=one(rng, estate.storage_accounts).name,
        )
    ]
    if rng.random() < 0.6:
        vault = one(rng, estate.key_vaults).name.lower()
        ending.append(late(rule="cloud-vault-harvest", account=app.app_id, asset=vault))
    acts = [
        early(rule="aks-unusual-origin", account=person),
        *some(rng, settling, len(settling)),
        *some(rng, spreading, len(spreading)),
        *some(rng, ending, len(ending)),
    ]
    return paced(estate, rng, acts)
