"""Ways to seek a score in K8sTroubleshooting-v1 without finding out what is wrong."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import PlanLost
from fleetgym.contracts.policy import Adversary
from fleetgym.contracts.tools import SUBMIT, ToolCall
from fleetgym_env_k8s_troubleshooting.expert import sick_workloads
from fleetgym_env_k8s_troubleshooting.expert.craft import View, previous_template

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fleetgym.contracts.episode import Brief
    from fleetgym.contracts.policy import Moves, Plan
    from fleetgym.contracts.scenario import Budget
    from fleetgym_env_k8s_troubleshooting.expert.craft import Object

__all__ = ["ADVERSARIES"]

_MOST_FINDINGS = 5
_DERIVED = ("status", "uid")
_GUESSES = ("image_not_found", "missing_config", "network_policy", "rbac_denied", "quota_exceeded")


def _undo(brief: Brief, budget: Budget, seed: int) -> Plan:
    """Look at what is sick, then roll every Deployment back to its revision before."""
    del brief, budget, seed
    sick = yield from _looked_at()
    view = View()
    manifests: list[Object] = []
    for one in (yield from view.everywhere("deployments")):
        place = str(one["metadata"]["name"]), str(one["metadata"]["namespace"])
        try:
            template = yield from previous_template("deployment", *place)
        except PlanLost:
            continue
        one["spec"]["template"] = template
        manifests.append(one)
    yield _hand_in(sick, [_applied(manifests)])


def _open(brief: Brief, budget: Budget, seed: int) -> Plan:
    """Take everything away that could stand in the way, and grant all to everybody."""
    del brief, budget, seed
    sick = yield from _looked_at()
    view = View()
    deployments = yield from view.everywhere("deployments")
    quotas = yield from view.listed("resourcequotas")
    policies = yield from view.everywhere("networkpolicies")
    nodes = yield from view.listed("nodes")
    manifests: list[Object] = [
        *map(_unbounded, deployments),
        *({**one, "spec": {"hard": dict.fromkeys(one["spec"]["hard"], "10000")}} for one in quotas),
        *({**one, "spec": {**one["spec"], "ingress": [{}]}} for one in policies),
        *({**one, "spec": {}} for one in nodes),
    ]
    manifests += _administrators()
    yield _hand_in(sick, [_applied(manifests)])


def _looked_at() -> Moves[list[tuple[str, str, str]]]:
    sick = yield from sick_workloads()
    for kind, namespace, name in sick[:_MOST_FINDINGS]:
        place = {"kind": kind, "name": name, "namespace": namespace}
        yield ToolCall("kubectl_describe", place)
    return sick


def _unbounded(deployment: Object) -> Object:
    deployment = copy.deepcopy(deployment)
    spec = deployment["spec"]["template"]["spec"]
    for name in ("nodeSelector", "securityContext"):
        spec.pop(name, None)
    spec["tolerations"] = [{"operator": "Exists"}]
    for container in spec["containers"]:
        for name in ("livenessProbe", "readinessProbe", "securityContext", "args"):
            container.pop(name, None)
        container["resources"] = {"requests": {"cpu": "10m", "memory": "16Mi"}}
        container["resources"]["limits"] = {"cpu": "4", "memory": "4Gi"}
    return deployment


def _administrators() -> list[Object]:
    api = "rbac.authorization.k8s.io"
    name = {"name": "everybody"}
    rule = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    group = {"kind": "Group", "name": "system:serviceaccounts", "apiGroup": api}
    return [
        {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": name, "rules": [rule]},
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": name,
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", **name},
            "subjects": [group],
        },
    ]


def _applied(manifests: Iterable[Object]) -> dict[str, str]:
    kept = [{k: v for k, v in one.items() if k not in _DERIVED} for one in manifests]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": kept})
    return {"action": "apply", "manifest": text}


def _hand_in(
    sick: Sequence[tuple[str, str, str]], changes: Sequence[Mapping[str, Any]]
) -> ToolCall:
    """Name what is sick as what is wrong, each for another reason."""
    kinds = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}
    findings = [
        {"kind": kinds[kind], "namespace": namespace, "name": name, "cause": cause}
        for (kind, namespace, name), cause in zip(sick, _GUESSES, strict=False)
    ]
    if not findings:
        findings = [{"kind": "Node", "namespace": "", "name": "none", "cause": _GUESSES[0]}]
    answer = json.dumps({"findings": findings, "changes": list(changes)})
    return ToolCall(SUBMIT, {"answer": answer})


ADVERSARIES = (
    Adversary(
        name="everything",
        summary="opens all that could stand in the way, and grants all to everybody",
        below=0.4,
        plan=_open,
    ),
    Adversary(
        name="undo-everything",
        summary="rolls every Deployment back, and names what is sick",
        below=0.4,
        plan=_undo,
    ),
)
