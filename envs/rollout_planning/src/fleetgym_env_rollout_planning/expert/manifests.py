"""Writing a service's objects as a release needs them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.policy import ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.policy import Moves

__all__ = ["changed_objects"]

_DERIVED = ("uid", "resourceVersion", "generation", "creationTimestamp")


def changed_objects(
    order: Mapping[str, Any], *, replicas: int, keeps: int, memory_mib: int, limit_mib: int
) -> Moves[tuple[list[dict[str, Any]], str]]:
    """Return the objects that a release of a service changes, and the image that runs today.

    Args:
        order: Service, image and new settings, as the request has them.
        replicas: Of the Deployment.
        keeps: How many of them a disruption keeps.
        memory_mib: What each requests.
        limit_mib: What each may take.
    """
    namespace, _, name = order["service"].partition("/")
    deployment = yield from _object("deployment", name, namespace)
    listed = yield from ask("kubectl_get", kind="pdb", namespace=namespace, output="json")
    pods = yield from ask(
        "kubectl_get", kind="pods", namespace=namespace, output="json",
        selector=f"app.kubernetes.io/name={name}",
    )  # fmt: skip
    pod = json.loads(pods)["items"][0]["metadata"]["name"]
    yield from ask("kubectl_logs", pod=pod, namespace=namespace)
    template = deployment["spec"]["template"]
    chosen = {"matchLabels": dict(deployment["spec"]["selector"]["matchLabels"])}
    container = template["spec"]["containers"][0]
    image = container["image"]
    container["image"] = order["image"]
    container["resources"]["requests"]["memory"] = f"{memory_mib}Mi"
    container["resources"]["limits"]["memory"] = f"{limit_mib}Mi"
    template["spec"]["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": chosen,
        }
    ]
    deployment["spec"]["replicas"] = replicas
    deployment["spec"]["strategy"] = {
        "type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }  # fmt: skip
    objects = [deployment, _budget(listed, name, namespace, chosen, keeps)]
    settings = order.get("new_settings", {})
    if settings:
        config = yield from _object("configmap", f"{name}-config", namespace)
        config["data"] |= settings
        container["env"] += [
            {"name": key, "valueFrom": {"configMapKeyRef": {"name": f"{name}-config", "key": key}}}
            for key in settings
        ]
        objects.insert(0, config)
    return objects, image


def _budget(
    listed: str, name: str, namespace: str, chosen: Mapping[str, Any], keeps: int
) -> dict[str, Any]:
    """Return the service's disruption budget: the one that there is, or a new one."""
    found: list[dict[str, Any]] = json.loads(listed)["items"] if listed.startswith("{") else []
    mine = next(
        (one["metadata"]["name"] for one in found if one["spec"]["selector"] == chosen), name
    )
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": mine, "namespace": namespace},
        "spec": {"minAvailable": keeps, "selector": dict(chosen)},
    }


def _object(kind: str, name: str, namespace: str) -> Moves[dict[str, Any]]:
    """Return an object without what the cluster adds to it."""
    text = yield from ask("kubectl_get", kind=kind, name=name, namespace=namespace, output="json")
    found: dict[str, Any] = json.loads(text)
    found.pop("status", None)
    for field in _DERIVED:
        found["metadata"].pop(field, None)
    return found
