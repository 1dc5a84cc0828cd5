"""Where pods go: nodes, taints, affinity, room."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fleetgym_cluster.objects import Manifest, Objects, dig, items, strings
from fleetgym_cluster.pods import requests_of
from fleetgym_cluster.quantity import amount
from fleetgym_cluster.selectors import holds, matches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym_cluster.pods import Pod

__all__ = ["Scheduler", "tolerates"]

_CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class Scheduler:
    """Places pods one after the other, each on the emptiest node that it fits."""

    def __init__(self, objects: Objects) -> None:
        self.nodes = sorted(objects.of("Node"), key=lambda node: node["metadata"]["name"])
        self._used: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        self._placed: list[Pod] = []

    def used(self, node: str) -> dict[str, Decimal]:
        """Return what the pods of a node ask for, by resource."""
        return dict(self._used[node])

    def place(self, pod: Pod, *, only: str = "") -> str:
        """Set the pod's node; return why there is none, empty when there is.

        Args:
            pod: What to place.
            only: The name of the one node that it is for, as a DaemonSet's pods are.
        """
        reasons: Counter[str] = Counter()
        fitting: list[Manifest] = []
        for node in self.nodes:
            reason = self._misfit(pod, node, only)
            if reason:
                reasons[reason] += 1
            else:
                fitting.append(node)
        if not fitting:
            told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
            return f"0/{len(self.nodes)} nodes are available: {told}."
        node = min(fitting, key=self._fullness)["metadata"]["name"]
        pod.node = node
        self._placed.append(pod)
        for name, value in (requests_of(pod.spec) | {"pods": Decimal(1)}).items():
            self._used[node][name] += value
        return ""

    def _fullness(self, node: Manifest) -> tuple[float, str]:
        name = node["metadata"]["name"]
        room = strings(node, "status", "allocatable")
        shares = [
            float(self._used[name][key] / amount(room[key]))
            for key in ("cpu", "memory")
            if key in room
        ]
        return max(shares, default=0.0), name

    def _misfit(self, pod: Pod, node: Manifest, only: str) -> str:
        name, labels = node["metadata"]["name"], strings(node, "metadata", "labels")
        if only not in ("", name):
            return "node(s) didn't match the pod's node"
        taint = _untolerated(pod.spec, node, cordoned=not only)
        if taint:
            return taint
        if not _wanted(pod.spec, labels):
            return "node(s) didn't match Pod's node affinity/selector"
        if self._repelled(pod, labels):
            return "node(s) didn't match pod anti-affinity rules"
        if self._skewed(pod, labels):
            return "node(s) didn't match pod topology spread constraints"
        room = strings(node, "status", "allocatable")
        asked = requests_of(pod.spec) | {"pods": Decimal(1)}
        short = [
            key
            for key, value in asked.items()
            if self._used[name][key] + value
            > amount(room.get(key, "0" if key != "pods" else "110"))
        ]
        return f"Insufficient {min(short)}" if short else ""

    def _repelled(self, pod: Pod, labels: Mapping[str, str]) -> bool:
        rules = items(
            pod.spec, "affinity", "podAntiAffinity",
            "requiredDuringSchedulingIgnoredDuringExecution",
        )  # fmt: skip
        return any(
            self._domain(other.node, rule) == labels.get(str(rule.get("topologyKey")))
            for rule in rules
            for other in self._placed
            if other.namespace == pod.namespace
            and matches(dig(rule, "labelSelector"), other.labels)
        )

    def _skewed(self, pod: Pod, labels: Mapping[str, str]) -> bool:
        for rule in items(pod.spec, "topologySpreadConstraints"):
            if rule.get("whenUnsatisfiable", "DoNotSchedule") != "DoNotSchedule":
                continue
            key = str(rule.get("topologyKey"))
            if key not in labels:
                return True
            domains = {
                strings(node, "metadata", "labels").get(key, ""): 0
                for node in self.nodes
                if _wanted(pod.spec, strings(node, "metadata", "labels"))
            }
            for other in self._placed:
                domain = self._domain(other.node, rule)
                if (
                    domain in domains
                    and other.namespace == pod.namespace
                    and matches(dig(rule, "labelSelector"), other.labels)
                ):
                    domains[domain] += 1
            if domains.get(labels[key], 0) + 1 - min(domains.values()) > int(rule["maxSkew"]):
                return True
        return False

    def _domain(self, node: str, rule: Mapping[str, Any]) -> str:
        found = next(n for n in self.nodes if n["metadata"]["name"] == node)
        return strings(found, "metadata", "labels").get(str(rule.get("topologyKey")), "")


def tolerates(spec: Manifest, taint: Mapping[str, Any]) -> bool:
    """Return whether a pod with this spec tolerates a taint."""
    for toleration in items(spec, "tolerations"):
        key, effect = toleration.get("key"), toleration.get("effect")
        if effect not in (None, "", taint.get("effect")) or key not in (None, "", taint["key"]):
            continue
        exists = toleration.get("operator", "Equal") == "Exists"
        if exists or (key and str(toleration.get("value", "")) == str(taint.get("value", ""))):
            return True
    return False


def _untolerated(spec: Manifest, node: Manifest, *, cordoned: bool) -> str:
    """Return the taint that keeps a pod away; a cordon counts only where ``cordoned`` says so."""
    taints = items(node, "spec", "taints")
    if cordoned and dig(node, "spec", "unschedulable"):
        taints = [*taints, _CORDON]
    for taint in taints:
        if taint.get("effect") != "PreferNoSchedule" and not tolerates(spec, taint):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    return ""


def _wanted(spec: Manifest, labels: Mapping[str, str]) -> bool:
    if any(labels.get(k) != v for k, v in strings(spec, "nodeSelector").items()):
        return False
    terms = items(
        spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
    )  # fmt: skip
    return not terms or any(
        all(holds(expression, labels) for expression in items(term, "matchExpressions"))
        for term in terms
    )
