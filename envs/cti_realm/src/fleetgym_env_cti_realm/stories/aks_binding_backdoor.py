"""Service accounts are bound to every right, and their tokens carried away.

The intrusion's accounts are bound to a dangerous role, somebody other than a node asked for their
token, and they act from outside. Each kind of look-alike lacks exactly one of the three.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fleetgym_env_cti_realm.stories.plot import Plot
from fleetgym_estate.audit import request
from fleetgym_estate.drawing import azure_ip, one, some

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.random import Generator

    from fleetgym_estate.estate import Cluster, Estate
    from fleetgym_estate.event import Event

__all__ = ["draw"]

_BUILT_IN = ("cluster-admin", "admin")
_MODEST = ("view", "edit")
_FIRST = ("metrics", "backup", "release", "quota", "policy", "config", "trace", "image", "cost")
_SECOND = ("reader", "bridge", "sync", "agent", "relay", "runner", "keeper", "watcher", "adapter")
_AGENTS = (
    "kubectl/v1.30.2 (linux/amd64) kubernetes/3968350",
    "kubectl/v1.29.6 (darwin/arm64) kubernetes/062798d",
    "Helm/3.15.3",
    "Terraform/1.9.2 (+https://www.terraform.io) terraform-provider-kubernetes/2.31.0",
    "python-requests/2.32.3",
)
_CLIENTS = ("curl/8.5.0", "Go-http-client/2.0", "OpenAPI-Generator/30.1.0/python", _AGENTS[0])
_Rules = list[dict[str, list[str]]]
_DANGEROUS: tuple[_Rules, ...] = (
    [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    [{"apiGroups": ["", "apps"], "resources": ["*"], "verbs": ["*"]}],
    [
        {
            "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["clusterroles", "clusterrolebindings"],
            "verbs": ["get", "create", "bind", "escalate"],
        }
    ],
    [{"apiGroups": [""], "resources": ["users", "groups"], "verbs": ["impersonate"]}],
)
_HARMLESS: tuple[_Rules, ...] = (
    [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}],
    [{"apiGroups": [""], "resources": ["configmaps", "events"], "verbs": ["*"]}],
    [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]}],
    [{"apiGroups": ["batch"], "resources": ["jobs", "cronjobs"], "verbs": ["*"]}],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """A service account that somebody binds to a role."""

    cluster: Cluster
    namespace: str
    name: str
    exists: bool
    """Whether a workload has it already."""

    @property
    def username(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operator:
    """Who makes bindings, and how."""

    username: str
    agent: str
    ip: str | None


def draw(estate: Estate, rng: Generator) -> Plot:
    """Draw the intrusion and its look-alikes."""
    scene = _Scene(estate, rng)
    table = one(rng, ("AKSAudit", "AKSAuditAdmin"))
    cluster = one(rng, estate.clusters_of(table))
    stolen = scene.accounts(cluster, 1 + int(rng.integers(0, 2)))
    # Honest accounts are in the same cluster and elsewhere; some have the name of a stolen one.
    others = [c for c in estate.clusters if c is not cluster]
    honest = [*scene.accounts(cluster, 6), *scene.accounts(one(rng, others), 2)]
    honest.append(scene.namesake(stolen[0], one(rng, others)))
    scene.intrude(stolen)
    for index, account in enumerate(some(rng, honest, len(honest))):
        scene.honest(account, lacks=("danger", "token", "distance")[index % 3])
    names = "|".join(account.name for account in stolen)
    return Plot(
        events=scene.events,
        patterns={"RequestUri": "(clusterrolebindings|rolebindings)", "RequestObject": names},
    )


class _Scene:
    """Events as they come to be."""

    def __init__(self, estate: Estate, rng: Generator) -> None:
        self.events: list[Event] = []
        self._estate = estate
        self._rng = rng
        self._names = some(rng, [f"{a}-{b}" for a in _FIRST for b in _SECOND], 60)
        self._roles = {c.name: self._names[:14] for c in estate.clusters}
        """Names of roles: none twice in a cluster, the same ones in all clusters."""
        self._works = {c.name: some(rng, c.workloads, 12) for c in estate.clusters}

    def accounts(self, cluster: Cluster, n: int) -> list[_Account]:
        """Return ``n`` accounts of a cluster that no two calls share."""
        found: list[_Account] = []
        for _ in range(n):
            work = self._works[cluster.name].pop()
            exists = work.service_account == work.name and self._rng.random() < 0.6
            name = work.name if exists else self._names.pop()
            space = work.namespace
            found.append(_Account(cluster=cluster, namespace=space, name=name, exists=exists))
        return found

    def namesake(self, account: _Account, cluster: Cluster) -> _Account:
        """Return an account of the same name in another cluster."""
        space = one(self._rng, cluster.namespaces)
        return _Account(cluster=cluster, namespace=space, name=account.name, exists=False)

    def intrude(self, stolen: Sequence[_Account]) -> None:
        """Let the intruder bind each account, take its token and use it."""
        rng, operator = self._rng, self._operator()
        total = int(rng.integers(max(4, 2 * len(stolen)), 10))
        for index, account in enumerate(stolen):
            count = total // len(stolen) + (index < total % len(stolen))
            at = self._bind(account, operator, count, dangerous=True, asked_for=True)
            at = self._take_token(account, at, operator)
            self._act(account, at, self._outside())

    def honest(self, account: _Account, *, lacks: str) -> None:
        """Bind an account that lacks one of danger, token and distance."""
        rng, operator = self._rng, self._operator()
        count = int(rng.integers(2, 6))
        at = self._bind(account, operator, count, dangerous=lacks != "danger")
        if lacks != "token":
            at = self._take_token(account, at, operator)
        inside = one(rng, (None, f"10.240.{rng.integers(0, 16)}.{rng.integers(4, 250)}"))
        self._act(account, at, inside if lacks == "distance" else self._outside())

    def _operator(self) -> _Operator:
        """Return a person or a pipeline, where it always is or, a person, elsewhere."""
        rng, estate = self._rng, self._estate
        agent = one(rng, _AGENTS)
        if rng.random() < 0.3:
            pipeline = one(rng, estate.applications_for("deploy")).object_id
            return _Operator(username=pipeline, agent=agent, ip=None)
        ip = one(rng, (None, self._outside()))
        return _Operator(username=one(rng, estate.kubernetes_users).upn, agent=agent, ip=ip)

    def _outside(self) -> str:
        rng = self._rng
        return one(rng, (*self._estate.outside_ips(rng, 1), azure_ip(rng)))

    def _bind(
        self,
        account: _Account,
        operator: _Operator,
        count: int,
        *,
        dangerous: bool,
        asked_for: bool = False,
    ) -> datetime:
        """Bind an account that has had a modest role; return when that was done."""
        rng, start = self._rng, self._estate.start
        self._deployed(account, start + timedelta(hours=float(rng.uniform(0.5, 5))))
        at = start + timedelta(hours=float(rng.uniform(6, 34)))
        built_in = one(rng, _BUILT_IN if dangerous else _MODEST)
        role = self._roles[account.cluster.name].pop()
        late = dangerous and rng.random() < 0.4
        if rng.random() < 0.4:
            role = built_in
        else:
            rules = one(rng, _DANGEROUS if dangerous and not late else _HARMLESS)
            self._define(account, operator, at, role, verb="create", rules=rules)
        spaces = some(rng, (*account.cluster.namespaces, "kube-system", "default"), count - 1)
        for space in some(rng, ["", *spaces], count):
            at += timedelta(seconds=float(rng.uniform(3, 600)))
            name = f"{one(rng, (account.name, one(rng, _FIRST)))}-{one(rng, _SECOND)}"
            verb = one(rng, ("create", "create", "create", "patch", "update"))
            self._binding(account, operator, at, (space, name, role), verb, asked_for=asked_for)
        if late and role != built_in:
            at += timedelta(seconds=float(rng.uniform(20, 1200)))
            rules = one(rng, _DANGEROUS)
            self._define(account, operator, at, role, verb="patch", rules=rules)
        return at

    def _deployed(self, account: _Account, at: datetime) -> None:
        """Let a pipeline give the account a modest role, and a node mount its token."""
        rng, cluster = self._rng, account.cluster
        pipeline = one(rng, self._estate.applications_for("deploy")).object_id
        deployer = _Operator(username=pipeline, agent="Helm/3.15.3", ip=None)
        space = account.namespace
        if not account.exists:
            target = {"resource": "serviceaccounts", "namespace": space, "name": account.name}
            metadata = {"name": account.name, "namespace": space}
            body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
            self._request(deployer, cluster, at, "create", target, body=body)
        role, at = one(rng, _MODEST), at + timedelta(seconds=1)
        self._binding(account, deployer, at, (space, f"{account.name}-reader", role), "create")
        kubelet = f"system:node:{one(rng, cluster.nodes)}"
        later = at + timedelta(seconds=float(rng.uniform(4, 40)))
        self.events.append(request(cluster, later, kubelet, "create", _token_of(account)))

    def _define(
        self,
        account: _Account,
        operator: _Operator,
        at: datetime,
        role: str,
        *,
        verb: str,
        rules: _Rules,
    ) -> None:
        body: dict[str, Any] = {"rules": rules}
        if verb == "create":
            body |= {"kind": "ClusterRole", "metadata": {"name": role}}
        target = {"resource": "clusterroles", "name": role}
        at -= timedelta(seconds=2)
        self._request(operator, account.cluster, at, verb, target, body=body)

    def _binding(
        self,
        account: _Account,
        operator: _Operator,
        at: datetime,
        what: tuple[str, str, str],
        verb: str,
        *,
        asked_for: bool = False,
    ) -> None:
        """Note a request that binds the account; ``what`` is namespace, name and role."""
        space, name, role = what
        target = {"resource": "rolebindings" if space else "clusterrolebindings", "name": name}
        metadata = {"name": name}
        if space:
            target["namespace"] = metadata["namespace"] = space
        subject = {"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}
        group = "rbac.authorization.k8s.io"
        body = {
            "kind": "RoleBinding" if space else "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
            "subjects": [subject],
        }
        self._request(operator, account.cluster, at, verb, target, body=body, asked_for=asked_for)

    def _take_token(self, account: _Account, at: datetime, operator: _Operator) -> datetime:
        """Let somebody ask for the account's token; return when that was done."""
        at += timedelta(minutes=float(self._rng.uniform(1, 60)))
        self._request(operator, account.cluster, at, "create", _token_of(account))
        return at

    def _act(self, account: _Account, at: datetime, ip: str | None) -> None:
        """Let the account do something, from an address or, if that is None, from a pod."""
        rng, cluster = self._rng, account.cluster
        client = _Operator(username=account.username, agent=one(rng, _CLIENTS), ip=ip)
        work = one(rng, cluster.workloads)
        pod = {"namespace": work.namespace, "name": one(rng, work.pods)}
        deployment = {"resource": "deployments", "namespace": work.namespace, "name": work.name}
        calls: list[tuple[str, dict[str, str]]] = [
            ("create", {"resource": "selfsubjectaccessreviews"}),
            ("patch", deployment),
            ("delete", {"resource": "pods", **pod}),
            ("create", {"resource": "pods", "namespace": work.namespace}),
        ]
        if cluster.audit_table == "AKSAudit":
            calls += [("list", {"resource": "secrets"}), ("list", {"resource": "pods"})]
        at += timedelta(minutes=float(rng.uniform(5, 300)))
        for verb, target in some(rng, calls, int(rng.integers(2, 5))):
            at += timedelta(seconds=float(rng.uniform(2, 300)))
            self._request(client, cluster, at, verb, target)

    def _request(
        self,
        operator: _Operator,
        cluster: Cluster,
        at: datetime,
        verb: str,
        target: Mapping[str, str],
        *,
        body: dict[str, Any] | None = None,
        asked_for: bool = False,
    ) -> None:
        self.events.append(
            request(
                cluster,
                at,
                operator.username,
                verb,
                target,
                ip=operator.ip,
                agent=operator.agent,
                body=body,
                asked_for=asked_for,
            )
        )


def _token_of(account: _Account) -> dict[str, str]:
    where = {"namespace": account.namespace, "name": account.name}
    return {"resource": "serviceaccounts", "subresource": "token", **where}
