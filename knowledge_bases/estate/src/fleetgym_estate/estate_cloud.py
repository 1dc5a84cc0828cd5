"""Drawing the cloud part of an estate: subscriptions, clusters, storage, vaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleetgym_estate.drawing import azure_ip, one, some
from fleetgym_estate.estate import (
    Application,
    Cluster,
    KeyVault,
    ResourceGroup,
    StorageAccount,
    Subscription,
    Workload,
)
from fleetgym_estate.telemetry.draw import guid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.random import Generator

__all__ = ["Cloud", "draw_cloud"]

# Letters of the suffixes that Kubernetes gives to pods and replica sets.
_SAFE = "bcdfghjklmnpqrstvwxz2456789"

_SECRETS = (
    "db-connection",
    "storage-key",
    "smtp-password",
    "jwt-signing-key",
    "api-token",
    "service-bus",
    "redis-password",
    "partner-webhook",
    "license",
    "tls-bundle",
)
_COMPONENTS = ("api", "worker", "web", "consumer", "scheduler", "sync", "cache", "proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """What :func:`draw_cloud` gives."""

    subscriptions: tuple[Subscription, ...]
    resource_groups: tuple[ResourceGroup, ...]
    clusters: tuple[Cluster, ...]
    storage_accounts: tuple[StorageAccount, ...]
    key_vaults: tuple[KeyVault, ...]
    identities: tuple[Application, ...]
    """Managed identities of the clusters."""


def draw_cloud(
    rng: Generator, names: Mapping[str, Any], company: str, applications: Sequence[Application]
) -> Cloud:
    """Return subscriptions with everything in them."""
    subscriptions = tuple(
        Subscription(id=guid(rng), name=f"{company}-{stage}")
        for stage in ("production", "staging", "shared")
    )
    regions = [region[0] for region in some(rng, names["azure_regions"], 2)]
    groups = _resource_groups(rng, names, subscriptions, regions)
    clusters = tuple(
        _cluster(rng, names, company, groups[index], index) for index in range(len(_CLUSTERS))
    )
    return Cloud(
        subscriptions=subscriptions,
        resource_groups=groups,
        clusters=clusters,
        storage_accounts=_storage_accounts(rng, names, company, groups, applications),
        key_vaults=_key_vaults(rng, names, company, groups, applications),
        identities=tuple(_identity(rng, cluster, applications) for cluster in clusters),
    )


def _resource_groups(
    rng: Generator,
    names: Mapping[str, Any],
    subscriptions: Sequence[Subscription],
    regions: Sequence[str],
) -> tuple[ResourceGroup, ...]:
    """Return twelve; the first four are the clusters' own."""
    words = ["aks", "aks", "aks", "aks", *some(rng, names["products"], 7), "backup"]
    found: list[ResourceGroup] = []
    for index, word in enumerate(words):
        subscription = subscriptions[(0, 0, 1, 2)[index % 4]]
        stage = subscription.name.rpartition("-")[2]
        number = f"-{index + 1:02d}" if word == "aks" else ""
        found.append(
            ResourceGroup(
                name=f"rg-{word}-{stage}{number}",
                subscription_id=subscription.id,
                location=regions[int(rng.random() < 0.3)],
            )
        )
    return tuple(found)


# Stage and audit table of each cluster. Full audits are expensive, so some clusters send only what
# changes something.
_CLUSTERS = (
    ("prod", "AKSAudit"),
    ("prod", "AKSAuditAdmin"),
    ("staging", "AKSAudit"),
    ("shared", "AKSAuditAdmin"),
)


def _cluster(
    rng: Generator, names: Mapping[str, Any], company: str, group: ResourceGroup, index: int
) -> Cluster:
    stage, table = _CLUSTERS[index]
    namespaces = some(rng, names["namespaces"], 4)
    registry = f"{company}acr.azurecr.io"
    workloads = [
        _workload(rng, namespace, f"{product}-{component}", registry)
        for namespace in namespaces
        for product, component in zip(
            some(rng, names["products"], 3), some(rng, _COMPONENTS, 3), strict=True
        )
    ]
    name = f"aks-{company}-{stage}-{index + 1:02d}"
    pool = f"aks-nodepool1-{rng.integers(10_000_000, 40_000_000)}-vmss"
    return Cluster(
        name=name,
        resource_id=(
            f"/subscriptions/{group.subscription_id}/resourcegroups/{group.name}"
            f"/providers/microsoft.containerservice/managedclusters/{name}"
        ),
        subscription_id=group.subscription_id,
        resource_group=group.name,
        location=group.location,
        audit_table=table,
        namespaces=tuple(namespaces),
        workloads=tuple(workloads),
        nodes=tuple(f"{pool}{n:06d}" for n in range(int(rng.integers(3, 6)))),
        api_server_pod=f"kube-apiserver-{suffix(rng, 10)}-{suffix(rng, 5)}",
        egress_ip=azure_ip(rng),
        server_version=one(rng, ("1.30.7", "1.31.5", "1.32.3")),
    )


def suffix(rng: Generator, length: int) -> str:
    """Return a suffix as Kubernetes makes them."""
    return "".join(_SAFE[int(i)] for i in rng.integers(0, len(_SAFE), length))


def _workload(rng: Generator, namespace: str, name: str, registry: str) -> Workload:
    version = f"{rng.integers(1, 6)}.{rng.integers(0, 30)}.{rng.integers(0, 12)}"
    replica_set = suffix(rng, 10)
    return Workload(
        namespace=namespace,
        name=name,
        service_account=name if rng.random() < 0.7 else "default",
        image=f"{registry}/{namespace}/{name}:{version}",
        pods=tuple(
            f"{name}-{replica_set}-{suffix(rng, 5)}" for _ in range(int(rng.integers(2, 5)))
        ),
    )


def _readers(rng: Generator, applications: Sequence[Application], n: int) -> tuple[str, ...]:
    able = [a for a in applications if a.purpose in {"service", "analytics", "backup"}]
    return tuple(application.app_id for application in some(rng, able, n))


def _storage_accounts(
    rng: Generator,
    names: Mapping[str, Any],
    company: str,
    groups: Sequence[ResourceGroup],
    applications: Sequence[Application],
) -> tuple[StorageAccount, ...]:
    found: list[StorageAccount] = []
    for word, group in zip(some(rng, names["products"], 8), groups[4:], strict=True):
        name = f"st{company[:8]}{word[:8]}{rng.integers(1, 9)}"
        found.append(
            StorageAccount(
                name=name,
                resource_id=_resource_id(group, "Microsoft.Storage/storageAccounts", name),
                subscription_id=group.subscription_id,
                resource_group=group.name,
                location=group.location,
                containers=tuple(some(rng, names["containers"], int(rng.integers(3, 7)))),
                reader_app_ids=_readers(rng, applications, 3),
            )
        )
    return tuple(found)


def _key_vaults(
    rng: Generator,
    names: Mapping[str, Any],
    company: str,
    groups: Sequence[ResourceGroup],
    applications: Sequence[Application],
) -> tuple[KeyVault, ...]:
    found: list[KeyVault] = []
    for group in some(rng, groups[4:], 5):
        word = one(rng, names["products"])
        name = f"kv-{company[:8]}-{word[:7]}{len(found) + 1}"
        found.append(
            KeyVault(
                name=name,
                resource_id=_resource_id(group, "Microsoft.KeyVault/vaults", name),
                subscription_id=group.subscription_id,
                resource_group=group.name,
                location=group.location,
                secrets=tuple(
                    f"{product}-{kind}"
                    for product, kind in zip(
                        some(rng, names["products"], 8), some(rng, _SECRETS, 8), strict=True
                    )
                ),
                reader_app_ids=_readers(rng, applications, 3),
            )
        )
    return tuple(found)


def _resource_id(group: ResourceGroup, kind: str, name: str) -> str:
    scope = f"/subscriptions/{group.subscription_id}/resourceGroups/{group.name}"
    return f"{scope}/providers/{kind}/{name}"


def _identity(rng: Generator, cluster: Cluster, applications: Sequence[Application]) -> Application:
    """Return the managed identity of a cluster's nodes."""
    return Application(
        display_name=f"{cluster.name}-agentpool",
        app_id=guid(rng),
        object_id=guid(rng),
        registration_id="",
        purpose="managed",
        key_id=guid(rng),
        thumbprint=rng.bytes(20).hex().upper(),
        owner_upn=one(rng, applications).owner_upn,
        ips=(cluster.egress_ip,),
        user_agent="azsdk-go-azcore/v1.13.0 (go1.22.5; linux)",
    )
