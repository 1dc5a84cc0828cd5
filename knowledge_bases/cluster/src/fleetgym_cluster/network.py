"""Who reaches whom: services, endpoints, network policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fleetgym_cluster.objects import Manifest, Objects, dig, items, strings
from fleetgym_cluster.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym_cluster.pods import Pod

__all__ = ["Network", "backs", "target_port"]

_DEFAULT_PORTS = {"http": 80, "https": 443, "postgres": 5432, "redis": 6379, "amqp": 5672}
_DNS = "10.96.0.10:53"


@dataclass(frozen=True, slots=True)
class Network:
    """Services over pods; ``outside`` are hosts beyond the cluster."""

    objects: Objects
    pods: Sequence[Pod]
    outside: Sequence[str]

    def endpoints(self, service: Manifest) -> list[tuple[Pod, Mapping[str, int]]]:
        """Return the ready pods of a service with the ports that they serve, by port name."""
        ports = items(service, "spec", "ports")
        return [
            (
                pod,
                {
                    str(port.get("name", "")): number
                    for port in ports
                    if (number := target_port(port, pod)) is not None
                },
            )
            for pod in self.pods
            if pod.ready and backs(service, pod)
        ]

    def failure(self, client: Pod, address: str) -> str:
        """Return what a call from a pod to an address ends with; empty when it arrives."""
        try:
            url = urlsplit(address)
            host, port = url.hostname or "", url.port or _DEFAULT_PORTS.get(url.scheme, 0)
        except ValueError:
            return f"parse {address!r}: invalid address"
        service = self._service(host, client.namespace)
        if service is None:
            return (
                "" if host in self.outside else f"dial tcp: lookup {host} on {_DNS}: no such host"
            )
        ports = items(service, "spec", "ports")
        chosen = next((p for p in ports if p.get("port") == port), None)
        where = f"dial tcp {dig(service, 'spec', 'clusterIP', default='10.96.0.1')}:{port}"
        if dig(service, "spec", "clusterIP") == "None":
            chosen = chosen or {"port": port}
        if chosen is None:
            return f"{where}: i/o timeout"
        ready = [pod for pod in self.pods if pod.ready and backs(service, pod)]
        numbers = [(pod, target_port(chosen, pod)) for pod in ready]
        served = [(pod, number) for pod, number in numbers if number is not None]
        if not served:
            return f"{where}: connect: connection refused"
        open_to = [(pod, number) for pod, number in served if self.admits(client, pod, number)]
        if not open_to:
            return f"{where}: i/o timeout"
        if not any(listens(pod, number) for pod, number in open_to):
            return f"{where}: connect: connection refused"
        return ""

    def admits(self, client: Pod, server: Pod, port: int) -> bool:
        """Return whether network policies let one pod reach a port of another."""
        return self._lets(server, client, server, port, "Ingress") and self._lets(
            client, server, server, port, "Egress"
        )

    def _lets(self, owner: Pod, peer: Pod, server: Pod, port: int, way: str) -> bool:
        part, side = ("ingress", "from") if way == "Ingress" else ("egress", "to")
        chosen = [
            policy
            for policy in self.objects.of("NetworkPolicy", owner.namespace)
            if way in _types(policy) and matches(dig(policy, "spec", "podSelector"), owner.labels)
        ]
        return not chosen or any(
            self._peer(rule, side, owner, peer) and _port(rule, server, port)
            for policy in chosen
            for rule in items(policy, "spec", part)
        )

    def _peer(self, rule: Manifest, side: str, owner: Pod, peer: Pod) -> bool:
        peers = items(rule, side)
        return not peers or any(self._fits(one, owner, peer) for one in peers)

    def _fits(self, one: Manifest, owner: Pod, peer: Pod) -> bool:
        if "ipBlock" in one:
            return False
        if "namespaceSelector" in one:
            namespace = self.objects.get("Namespace", "", peer.namespace)
            labels = strings(namespace, "metadata", "labels")
            labels.setdefault("kubernetes.io/metadata.name", peer.namespace)
            if not matches(one["namespaceSelector"], labels):
                return False
        elif peer.namespace != owner.namespace:
            return False
        return "podSelector" not in one or matches(one["podSelector"], peer.labels)

    def _service(self, host: str, namespace: str) -> Manifest | None:
        name, _, rest = host.removesuffix(".").partition(".")
        where, _, suffix = rest.partition(".")
        if suffix not in ("", "svc", "svc.cluster.local"):
            return None
        return self.objects.get("Service", where or namespace, name)


def backs(service: Manifest, pod: Pod) -> bool:
    """Return whether a service's selector chooses a pod."""
    selector = strings(service, "spec", "selector")
    return (
        bool(selector)
        and dig(service, "metadata", "namespace", default="default") == pod.namespace
        and all(pod.labels.get(key) == value for key, value in selector.items())
    )


def target_port(port: Mapping[str, Any], pod: Pod) -> int | None:
    """Return the number that a service's port means in a pod; None if the pod has no such name."""
    target = port.get("targetPort", port.get("port"))
    if isinstance(target, int):
        return target
    return next(
        (
            int(one["containerPort"])
            for container in items(pod.spec, "containers")
            for one in items(container, "ports")
            if one.get("name") == target
        ),
        None,
    )


def listens(pod: Pod, port: int) -> bool:
    """Return whether a container of the pod listens on a port."""
    return any(c.program is not None and c.program.port == port for c in pod.containers)


def _types(policy: Manifest) -> list[str]:
    default = ["Ingress", *(["Egress"] if dig(policy, "spec", "egress") else [])]
    return dig(policy, "spec", "policyTypes", default=default)


def _port(rule: Manifest, server: Pod, port: int) -> bool:
    ports = items(rule, "ports")
    return not ports or any(
        one.get("protocol", "TCP") == "TCP"
        and ("port" not in one or target_port({"targetPort": one["port"]}, server) == port)
        for one in ports
    )
