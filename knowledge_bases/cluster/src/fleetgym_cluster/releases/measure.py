"""What manifests come to: applied, settled, and measured, service by service."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import ToolError
from fleetgym_cluster.changes import apply_changes
from fleetgym_cluster.kubectl import UNSETTLED
from fleetgym_cluster.objects import Manifest, Ref, dig, items, ref_of, strings
from fleetgym_cluster.pods import requests_of
from fleetgym_cluster.posture import health, posture
from fleetgym_cluster.quantity import MI
from fleetgym_cluster.reconcile import reconcile, rolling_update
from fleetgym_cluster.selectors import matches

if TYPE_CHECKING:
    from fleetgym_cluster.objects import Objects
    from fleetgym_cluster.reconcile import State, Workload
    from fleetgym_cluster.releases.book import Book
    from fleetgym_cluster.world import Cluster

__all__ = ["ZONE", "measure"]

ZONE = "topology.kubernetes.io/zone"


def measure(cluster: Cluster, book: Book, manifests: str) -> dict[str, Any]:
    """Apply manifests to a cluster and return what came of it, in JSON's types.

    * ``ok``, and ``error`` where the API server refuses them;
    * ``touched``: the objects that are other than before;
    * ``health`` of each workload ``before`` and ``after``;
    * ``lost``: keys of ConfigMaps that are gone or have another value;
    * ``posture`` after, and ``was`` before, of what guards workloads;
    * ``services``: of each service of the release what :func:`_measured` says.
    """
    before = reconcile(cluster)
    try:
        changed = apply_changes(cluster, [{"action": "apply", "manifest": manifests}])
        after = reconcile(changed.cluster)
        services = {
            order.service: _measured(before, after, order.service) for order in book.release.orders
        }
    except ToolError as error:
        return {"ok": False, "error": str(error)[:500]}
    except UNSETTLED as error:
        told = f"The cluster does not settle with these manifests: {error!r}"
        return {"ok": False, "error": told[:500]}
    return {
        "ok": True,
        "touched": [str(ref) for ref in changed.touched],
        "before": health(before),
        "after": health(after),
        "lost": list(_lost(cluster.objects, changed.cluster.objects)),
        "was": posture(before)["workloads"],
        "posture": posture(after)["workloads"],
        "services": services,
    }


def _measured(before: State, state: State, service: str) -> dict[str, Any]:
    """Return what one Deployment has come to.

    * ``images``, ``replicas``, and whether its node selector or affinity was ``moved``;
    * ``complete``: whether its rollout came to its end, with the surge on the way;
    * ``zones``: pods by zone;
    * ``cpu``, ``memory_mib``: what a pod requests; ``cpu_was``: what it requested before;
    * ``limit_mib``: None where it has no memory limit;
    * ``missing``: pods that a stage may take away;
    * ``spread``: whether a constraint spreads the pods evenly over zones;
    * ``budgets``: of each disruption budget that chooses the pods, how many it ``keeps``.
    """
    ref = Ref("Deployment", *service.split("/"))
    workload = state.workloads[ref]
    spec: Manifest = dig(workload.manifest, "spec", "template", "spec", default={})
    was: Manifest = dig(before.workloads[ref].manifest, "spec", "template", "spec", default={})
    labels = strings(workload.manifest, "spec", "template", "metadata", "labels")
    zone_of = {
        str(node["metadata"]["name"]): strings(node, "metadata", "labels").get(ZONE, "")
        for node in state.scheduler.nodes
    }
    requests, limits = requests_of(spec), requests_of(spec, "limits")
    kept, _ = rolling_update(workload.manifest, workload.desired)
    return {
        "images": [str(container.get("image")) for container in items(spec, "containers")],
        "replicas": workload.desired,
        "moved": any(spec.get(name) != was.get(name) for name in ("nodeSelector", "affinity")),
        "complete": workload.healthy,
        "zones": Counter(zone_of.get(pod.node, "") for pod in workload.pods if pod.ready),
        "cpu": float(requests.get("cpu", 0)),
        "cpu_was": float(requests_of(was).get("cpu", 0)),
        "memory_mib": float(requests.get("memory", 0) / MI),
        "limit_mib": float(limits["memory"] / MI) if "memory" in limits else None,
        "missing": workload.desired - kept,
        "spread": any(_spreads(rule, labels) for rule in items(spec, "topologySpreadConstraints")),
        "budgets": _budgets(state, workload, labels),
    }


def _spreads(rule: Manifest, labels: dict[str, str]) -> bool:
    return (
        rule.get("topologyKey") == ZONE
        and rule.get("maxSkew") == 1
        and rule.get("whenUnsatisfiable") == "DoNotSchedule"
        and matches(dig(rule, "labelSelector"), labels)
    )


def _budgets(state: State, workload: Workload, labels: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"ref": str(ref_of(budget)), "keeps": _keeps(dig(budget, "spec"), workload.desired)}
        for budget in state.objects.of("PodDisruptionBudget", workload.ref.namespace)
        if matches(dig(budget, "spec", "selector"), labels)
    ]


def _keeps(spec: Manifest, replicas: int) -> int:
    """Return how many pods a disruption budget keeps; percentages are rounded up, either way."""
    for field in ("minAvailable", "maxUnavailable"):
        text = str(dig(spec, field, default=""))
        if text:
            share = replicas * float(text[:-1]) / 100 if text.endswith("%") else float(text)
            count = math.ceil(share)
            return count if field == "minAvailable" else max(0, replicas - count)
    return 0


def _lost(before: Objects, after: Objects) -> list[str]:
    return [
        f"{ref}: {key}"
        for ref in before
        if ref.kind == "ConfigMap"
        for key, value in strings(before[ref], "data").items()
        if ref not in after or strings(after[ref], "data").get(key) != value
    ]
