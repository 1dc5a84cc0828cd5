"""What a cluster grants and guards: what a repair must neither widen nor weaken."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fleetgym_cluster.kinds import WORKLOADS
from fleetgym_cluster.objects import Manifest, dig, items, ref_of, strings
from fleetgym_cluster.quantity import amount
from fleetgym_cluster.rbac import permissions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym_cluster.reconcile import State

__all__ = ["health", "posture"]

_PROBES = ("livenessProbe", "readinessProbe")


def health(state: State) -> dict[str, bool]:
    """Return of each workload whether it is healthy and all of its calls arrive."""
    return {
        str(ref): workload.healthy
        and not any(
            state.kubelet.failures(pod, container, state.network)
            for pod in workload.pods
            for container in pod.containers
        )
        for ref, workload in state.workloads.items()
    }


def posture(state: State) -> dict[str, Any]:
    """Return what a cluster grants and guards, in JSON's types.

    * ``permissions``: what each service account may do in each namespace;
    * ``flows``: which workload may reach which, as network policies have it;
    * ``quotas``: the hard limits of quotas, as numbers;
    * ``workloads``: of each its ``replicas``, ``images``, ``guards`` (probes, security settings),
      ``memory`` and ``cpu`` limits of all containers in bytes and CPUs, and ``tolerations``.
    """
    objects = state.objects
    namespaces = [str(one["metadata"]["name"]) for one in objects.of("Namespace")]
    accounts = [ref_of(one) for one in objects.of("ServiceAccount")]
    granted = {
        f"{account.namespace}/{account.name} in {where or 'the cluster'}": sorted(found)
        for account in accounts
        for where in ("", *namespaces)
        if (found := permissions(objects, (account.namespace, account.name), where))
    }
    return {
        "permissions": granted,
        "flows": _flows(state),
        "quotas": {
            f"{ref_of(quota)} {name}": float(amount(value))
            for quota in objects.of("ResourceQuota")
            for name, value in strings(quota, "spec", "hard").items()
        },
        "workloads": {
            str(ref_of(manifest)): _workload(manifest)
            for kind in WORKLOADS
            for manifest in objects.of(kind)
        },
    }


def _flows(state: State) -> list[str]:
    """Return which workloads policies let reach which, by one pod of each that stands for all."""
    one_each = {ref: workload.pods[0] for ref, workload in state.workloads.items() if workload.pods}
    return sorted(
        f"{client} -> {server}"
        for client, source in one_each.items()
        for server, target in one_each.items()
        if client != server
        and any(
            state.network.admits(source, target, int(port["containerPort"]))
            for container in items(target.spec, "containers")
            for port in items(container, "ports")
        )
    )


def _workload(manifest: Manifest) -> dict[str, Any]:
    spec: Manifest = dig(manifest, "spec", "template", "spec", default={})
    containers = items(spec, "containers")
    guards = [
        f"{container['name']}.{probe}"
        for container in containers
        for probe in _PROBES
        if probe in container
    ]
    guards += [
        f"{where}.{name}={value}"
        for where, holder in (("pod", spec), *((str(c["name"]), c) for c in containers))
        for name, value in _secure(dig(holder, "securityContext", default={})).items()
    ]
    limits = {
        name: float(
            sum(
                (amount(strings(c, "resources", "limits").get(name, "1E")) for c in containers),
                Decimal(0),
            )
        )
        for name in ("memory", "cpu")
    }
    return {
        "replicas": int(dig(manifest, "spec", "replicas", default=1)),
        "images": sorted(str(container.get("image")) for container in containers),
        "guards": sorted(guards),
        "tolerations": sorted(str(t.get("key", "*")) for t in items(spec, "tolerations")),
        **limits,
    }


def _secure(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that guard; those that weaken stand for their absence."""
    kept = ("runAsNonRoot", "readOnlyRootFilesystem")
    found = {name: True for name in kept if context.get(name) is True}
    if not context.get("privileged"):
        found["unprivileged"] = True
    if context.get("allowPrivilegeEscalation") is False:
        found["noEscalation"] = True
    if context.get("runAsUser") != 0:
        found["notUserZero"] = True
    return found
