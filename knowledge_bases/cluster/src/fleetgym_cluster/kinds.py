"""The kinds of objects that the cluster knows, by all the names that kubectl takes."""

from __future__ import annotations

from dataclasses import dataclass

from fleetgym.contracts.errors import ToolError, did_you_mean

__all__ = ["KINDS", "WORKLOADS", "Kind", "find_kind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of object."""

    name: str
    """As manifests spell it."""

    plural: str
    api: str
    """The ``apiVersion`` of its manifests."""

    short: tuple[str, ...] = ()
    namespaced: bool = True

    derived: bool = False
    """Made by a controller: it follows from other objects and cannot be changed itself."""

    @property
    def group(self) -> str:
        """The API group; empty for the core."""
        return self.api.rpartition("/")[0]


_RBAC = "rbac.authorization.k8s.io/v1"
_ALL = (
    Kind(name="ClusterRole", plural="clusterroles", api=_RBAC, namespaced=False),
    Kind(name="ClusterRoleBinding", plural="clusterrolebindings", api=_RBAC, namespaced=False),
    Kind(name="ConfigMap", plural="configmaps", api="v1", short=("cm",)),
    Kind(name="DaemonSet", plural="daemonsets", api="apps/v1", short=("ds",)),
    Kind(name="Deployment", plural="deployments", api="apps/v1", short=("deploy",)),
    Kind(name="Endpoints", plural="endpoints", api="v1", short=("ep",), derived=True),
    Kind(name="Event", plural="events", api="v1", short=("ev",), derived=True),
    Kind(name="LimitRange", plural="limitranges", api="v1", short=("limits",)),
    Kind(name="Namespace", plural="namespaces", api="v1", short=("ns",), namespaced=False),
    Kind(name="NetworkPolicy", plural="networkpolicies", api="networking.k8s.io/v1",
         short=("netpol",)),
    Kind(name="Node", plural="nodes", api="v1", short=("no",), namespaced=False),
    Kind(name="PersistentVolumeClaim", plural="persistentvolumeclaims", api="v1", short=("pvc",)),
    Kind(name="Pod", plural="pods", api="v1", short=("po",), derived=True),
    Kind(name="PodDisruptionBudget", plural="poddisruptionbudgets", api="policy/v1",
         short=("pdb",)),
    Kind(name="ReplicaSet", plural="replicasets", api="apps/v1", short=("rs",), derived=True),
    Kind(name="ResourceQuota", plural="resourcequotas", api="v1", short=("quota",)),
    Kind(name="Role", plural="roles", api=_RBAC),
    Kind(name="RoleBinding", plural="rolebindings", api=_RBAC),
    Kind(name="Secret", plural="secrets", api="v1"),
    Kind(name="Service", plural="services", api="v1", short=("svc",)),
    Kind(name="ServiceAccount", plural="serviceaccounts", api="v1", short=("sa",)),
    Kind(name="StatefulSet", plural="statefulsets", api="apps/v1", short=("sts",)),
    Kind(name="StorageClass", plural="storageclasses", api="storage.k8s.io/v1", short=("sc",),
         namespaced=False),
)  # fmt: skip

KINDS = {kind.name: kind for kind in _ALL}
"""By name."""

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
"""Kinds that make pods."""

_BY_ANY_NAME = {
    word: kind
    for kind in _ALL
    for word in (kind.name.lower(), kind.plural, *kind.short)
}  # fmt: skip


def find_kind(text: str) -> Kind:
    """Return a kind by its name, plural or short name, with or without its group.

    Raises:
        ToolError: There is none.
    """
    wanted = text.strip().lower().partition(".")[0]
    found = _BY_ANY_NAME.get(wanted)
    if found is None:
        known = sorted(kind.plural for kind in _ALL)
        hint = did_you_mean(wanted, _BY_ANY_NAME) or f"There are: {', '.join(known)}."
        raise ToolError(f"The cluster has no resource type {text!r}. {hint}")
    return found
