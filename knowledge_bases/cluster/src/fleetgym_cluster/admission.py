"""What the API server refuses: pods beyond quotas and ranges, or without their account."""

from __future__ import annotations

import copy
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from fleetgym_cluster.objects import Manifest, Objects, dig, items, strings
from fleetgym_cluster.pods import requests_of
from fleetgym_cluster.quantity import amount, quantity_text

if TYPE_CHECKING:
    from fleetgym_cluster.pods import Pod

__all__ = ["Admission", "with_defaults"]

_ALIASES = {"cpu": "requests.cpu", "memory": "requests.memory"}


class Admission:
    """Lets pods in, one after the other, and counts what they use."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._used: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))

    def used(self, namespace: str) -> dict[str, Decimal]:
        """Return what the pods let in use, by the names that quotas have."""
        return dict(self._used[namespace])

    def refusal(self, pod: Pod) -> str:
        """Return why a pod is refused; empty, and counted, when it is not."""
        problem = self._no_account(pod) or self._out_of_range(pod) or self._over_quota(pod)
        if problem:
            return f'pods "{pod.name}" is forbidden: {problem}'
        for name, value in _uses(pod.spec).items():
            self._used[pod.namespace][name] += value
        return ""

    def _no_account(self, pod: Pod) -> str:
        if self._objects.get("ServiceAccount", pod.namespace, pod.account) is None:
            return (
                f"error looking up service account {pod.namespace}/{pod.account}: "
                f'serviceaccount "{pod.account}" not found'
            )
        return ""

    def _out_of_range(self, pod: Pod) -> str:
        for limit in _limits(self._objects, pod.namespace):
            for container in items(pod.spec, "containers"):
                limits = strings(container, "resources", "limits")
                requests = limits | strings(container, "resources", "requests")
                for name, most in strings(limit, "max").items():
                    if name in limits and amount(limits[name]) > amount(most):
                        return (
                            f"maximum {name} usage per Container is {most}, "
                            f"but limit is {limits[name]}"
                        )
                for name, least in strings(limit, "min").items():
                    if name in requests and amount(requests[name]) < amount(least):
                        return (
                            f"minimum {name} usage per Container is {least}, "
                            f"but request is {requests[name]}"
                        )
        return ""

    def _over_quota(self, pod: Pod) -> str:
        uses, used = _uses(pod.spec), self._used[pod.namespace]
        for quota in self._objects.of("ResourceQuota", pod.namespace):
            name = quota["metadata"]["name"]
            hard = {
                _ALIASES.get(key, key): amount(value)
                for key, value in strings(quota, "spec", "hard").items()
            }
            missing = [k for k in hard if k.startswith(("requests.", "limits.")) and k not in uses]
            if missing:
                return f"failed quota: {name}: must specify {','.join(sorted(missing))}"
            over = [k for k in hard if k in uses and used[k] + uses[k] > hard[k]]
            if over:
                asked, now, most = (
                    ",".join(f"{key}={quantity_text(key, values[key])}" for key in sorted(over))
                    for values in (uses, used, hard)
                )
                return f"exceeded quota: {name}, requested: {asked}, used: {now}, limited: {most}"
        return ""


def with_defaults(objects: Objects, namespace: str, template: Manifest) -> Manifest:
    """Return a template with the resources that the namespace's ranges give to those without."""
    limits = _limits(objects, namespace)
    if not limits:
        return template
    template = copy.deepcopy(template)
    for container in items(template, "spec", "containers"):
        resources = container.setdefault("resources", {})
        for limit in limits:
            for part, defaults in (("limits", "default"), ("requests", "defaultRequest")):
                for name, value in strings(limit, defaults).items():
                    if name not in resources.get("limits", {}) or part == "limits":
                        resources.setdefault(part, {}).setdefault(name, value)
    return template


def _limits(objects: Objects, namespace: str) -> list[Manifest]:
    return [
        limit
        for found in objects.of("LimitRange", namespace)
        for limit in items(found, "spec", "limits")
        if dig(limit, "type") == "Container"
    ]


def _uses(spec: Manifest) -> dict[str, Decimal]:
    uses = {"pods": Decimal(1), "count/pods": Decimal(1)}
    for part in ("requests", "limits"):
        uses |= {f"{part}.{name}": value for name, value in requests_of(spec, part).items()}
    return uses
