"""Acts on Kubernetes clusters."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fleetgym_env_incident_triage.acts.act import Act, Rule, Written
from fleetgym_estate.audit import execute, request
from fleetgym_estate.drawing import one, some

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Cluster, Estate
    from fleetgym_estate.event import Event

__all__ = ["RULES"]

_CLIENTS = (
    "kubectl/v1.29.6 (linux/amd64) kubernetes/062798d",
    "kubectl/v1.31.1 (linux/amd64) kubernetes/948afe5",
    "kubectl/v1.30.4 (darwin/arm64) kubernetes/a51b3b7",
)
_COMMANDS = (
    ("sh",),
    ("bash",),
    ("env",),
    ("sh", "-c", "ls /app"),
    ("cat", "/var/run/secrets/kubernetes.io/serviceaccount/token"),
    ("sh", "-c", "env | sort"),
)
_SUFFIXES = ("credentials", "tls", "registry", "webhook-key", "db", "smtp")
_NAMES = ("node-tuning", "log-relay", "image-warmup", "cache-sync", "metrics-shim", "cert-sweep")
_LASTING = {
    "T1053.007": ("cronjobs", "batch", "CronJob"),
    "T1543.005": ("daemonsets", "apps", "DaemonSet"),
    "T1098.006": ("clusterrolebindings", "rbac.authorization.k8s.io", "ClusterRoleBinding"),
}


def _cluster(estate: Estate, act: Act) -> Cluster:
    return next(cluster for cluster in estate.clusters if cluster.name == act.asset)


def _ask(
    estate: Estate, act: Act, second: float, verb: str, target: dict[str, str], **more: Any
) -> Event:
    """Return a request of the act; refused if it came to nothing."""
    if not act.effective:
        more = more | {"code": 403}
    return request(
        _cluster(estate, act),
        act.at + timedelta(seconds=second),
        act.account,
        verb,
        target,
        ip=act.origin,
        asked_for=True,
        **more,
    )


def _unusual_origin(estate: Estate, rng: Generator, act: Act) -> Written:
    client = one(rng, _CLIENTS)
    spaces = _cluster(estate, act).namespaces
    asked = (
        ("create", {"resource": "selfsubjectrulesreviews"}),
        ("list", {"resource": "namespaces"}),
        ("list", {"resource": "pods", "namespace": one(rng, spaces)}),
    )
    events = [
        _ask(estate, act, 12.0 * index + float(rng.uniform(0, 9)), verb, target, agent=client)
        for index, (verb, target) in enumerate(asked)
    ]
    return Written(technique="T1078.004", events=events)


def _pod_exec(estate: Estate, rng: Generator, act: Act) -> Written:
    cluster, client = _cluster(estate, act), one(rng, _CLIENTS)
    work = one(rng, cluster.workloads)
    events: list[Event] = []
    for index in range(int(rng.integers(2, 4))):
        event = execute(
            cluster,
            act.at + timedelta(seconds=30 * index + float(rng.uniform(0, 25))),
            act.account,
            (work.namespace, one(rng, work.pods)),
            one(rng, _COMMANDS),
            ip=act.origin,
            agent=client,
            code=101 if act.effective else 403,
            asked_for=True,
        )
        events.append(event)
    return Written(technique="T1609", events=events)


def _secrets_read(estate: Estate, rng: Generator, act: Act) -> Written:
    cluster, client = _cluster(estate, act), one(rng, _CLIENTS)
    works = some(rng, cluster.workloads, int(rng.integers(3, 6)))
    events = [_ask(estate, act, 0, "list", {"resource": "secrets"}, agent=client)]
    for index, work in enumerate(works):
        name = f"{work.name}-{one(rng, _SUFFIXES)}"
        target = {"resource": "secrets", "namespace": work.namespace, "name": name}
        second = 15 + 25 * index + float(rng.uniform(0, 20))
        events.append(_ask(estate, act, second, "get", target, agent=client))
    return Written(technique="T1552.007", events=events)


def _lasting_object(estate: Estate, rng: Generator, act: Act) -> Written:
    technique = one(rng, tuple(_LASTING))
    resource, group, kind = _LASTING[technique]
    name = f"{one(rng, _NAMES)}-{rng.bytes(2).hex()}"
    target = {"resource": resource, "apiGroup": group, "name": name}
    body: dict[str, Any] = {"kind": kind, "metadata": {"name": name}}
    if technique == "T1098.006":
        body["roleRef"] = {"kind": "ClusterRole", "name": "cluster-admin"}
    else:
        target["namespace"] = one(rng, (*_cluster(estate, act).namespaces, "kube-system"))
        body["metadata"]["namespace"] = target["namespace"]
    client = one(rng, _CLIENTS)
    return Written(
        technique=technique,
        events=[_ask(estate, act, 0, "create", target, agent=client, body=body)],
    )


_ALL = frozenset({"approved_change", "emergency_drill", "sanctioned_scan", "routine_work"})
_OWNED = _ALL - {"sanctioned_scan"}

RULES = (
    Rule(
        name="aks-unusual-origin",
        title="API server of {entity} used from an unusual origin",
        activity="cluster access",
        write=_unusual_origin,
        about_origins=True,
    ),
    Rule(
        name="aks-pod-exec",
        title="Command executed in a pod of {entity}",
        activity="pod debugging",
        write=_pod_exec,
        reasons=_OWNED,
    ),
    Rule(
        name="aks-secrets-read",
        title="Secrets of {entity} read",
        activity="secret rotation",
        write=_secrets_read,
        reasons=_ALL,
    ),
    Rule(
        name="aks-lasting-object",
        title="Object created in {entity} that outlives its session",
        activity="workload rollout",
        write=_lasting_object,
        reasons=_OWNED,
    ),
)
