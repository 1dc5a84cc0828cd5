"""A healthy cluster, drawn from a seed: namespaces, nodes, applications and what they need."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from fleetgym_cluster.objects import Manifest, Objects, Ref
from fleetgym_cluster.world import Cluster, Program, Revision, World
from fleetgym_platform.words import (
    COMPANIES,
    DATABASES,
    NAMESPACES,
    REASONS,
    REMARKS,
    SERVICES,
    WORKERS,
)

if TYPE_CHECKING:
    from random import Random

__all__ = ["App", "Platform", "draw_platform"]

_MI = "Mi"
_ASKS = (
    ("list", "configmaps"), ("get", "endpoints"), ("watch", "configmaps"), ("list", "pods"),
)  # fmt: skip


@dataclass(slots=True, kw_only=True, eq=False)
class App:
    """One application: its workload and what belongs to it."""

    name: str
    namespace: str
    kind: str
    program: Program
    image: str
    replicas: int
    memory_mib: int
    calls: dict[str, App] = field(default_factory=dict[str, "App"])
    """Whom it calls, by the setting that has the address."""

    port_name: str = "http"
    service_port: int = 80
    pool: str = "general"
    account: str = "default"
    claim: str = ""
    volume_secret: str = ""

    @property
    def ref(self) -> Ref:
        """Its workload."""
        return Ref(self.kind, self.namespace, self.name)

    @property
    def labels(self) -> dict[str, str]:
        """Of its pods."""
        return {"app.kubernetes.io/name": self.name, "app.kubernetes.io/part-of": self.namespace}

    @property
    def address(self) -> str:
        """Where others reach it."""
        return f"http://{self.name}.{self.namespace}.svc.cluster.local:{self.service_port}"

    def object(self, kind: str, suffix: str = "") -> Ref:
        """Return an object that belongs to it."""
        return Ref(kind, self.namespace, f"{self.name}{suffix}")


@dataclass(slots=True, kw_only=True)
class Platform:
    """A cluster in the making."""

    rng: Random
    now: datetime
    registry: str
    apps: list[App]
    objects: Objects
    images: dict[str, Program]
    history: dict[str, list[Revision]]
    remarks: dict[str, list[str]]
    namespaces: list[str]

    def cluster(self) -> Cluster:
        """Return it as it is now."""
        world = World(
            now=self.now,
            images=dict(self.images),
            storage={
                "standard": ["ReadWriteOnce"],
                "fast": ["ReadWriteOnce"],
                "shared": ["ReadWriteOnce", "ReadWriteMany"],
            },
            history={name: list(found) for name, found in self.history.items()},
            remarks=self.remarks,
        )
        return Cluster(objects=self.objects.copy(), world=world)

    def template(self, app: App) -> Manifest:
        """Return the pod template of an application, to be changed in place."""
        return self.objects[app.ref]["spec"]["template"]

    def container(self, app: App) -> Manifest:
        """Return its one container, to be changed in place."""
        return self.template(app)["spec"]["containers"][0]

    def roll_out(self, app: App, cause: str, at: datetime, *, completed: bool) -> None:
        """Write the present template down as a new revision."""
        revisions = self.history[str(app.ref)]
        revisions.append(
            Revision(
                number=revisions[-1].number + 1,
                at=at,
                cause=cause,
                template=copy.deepcopy(self.template(app)),
                completed=completed,
            )
        )

    def amend(self, app: App) -> None:
        """Take the present template for what the latest revision has had from its begin."""
        revisions = self.history[str(app.ref)]
        revisions[-1] = replace(revisions[-1], template=copy.deepcopy(self.template(app)))

    def callers(self, app: App) -> list[App]:
        """Return who calls an application."""
        return [other for other in self.apps if app in other.calls.values()]


def draw_platform(rng: Random, *, general: int = 4) -> Platform:
    """Return a platform in which all is well.

    Args:
        rng: Everything is drawn from it.
        general: How many nodes the general pool has, in three zones; one of them is cordoned.
    """
    now = datetime(2026, 1, 5, 8, tzinfo=UTC) + timedelta(
        days=rng.randrange(200), minutes=rng.randrange(600)
    )
    namespaces = rng.sample(NAMESPACES, 3)
    registry = f"registry.{rng.choice(COMPANIES)}.example"
    platform = Platform(
        rng=rng, now=now, registry=registry, apps=[], objects=Objects(), images={}, history={},
        remarks={}, namespaces=[*namespaces, "platform"],
    )  # fmt: skip
    _lay_ground(platform, general)
    _draw_apps(platform)
    for app in platform.apps:
        _write(platform, app)
    _give_quotas(platform)
    return platform


def _lay_ground(platform: Platform, general: int) -> None:
    """Write namespaces, nodes and storage classes."""
    rng, put = platform.rng, platform.objects.put
    born = _stamp(platform.now - timedelta(days=rng.randint(200, 600)))
    for name in platform.namespaces:
        put(
            _object(
                "Namespace", "", name, born, api="v1", labels={"kubernetes.io/metadata.name": name}
            )
        )
        put(_object("ServiceAccount", name, "default", born, api="v1"))
    pools = ["general"] * general + ["batch"] * 2
    cordoned = rng.randrange(general)
    for index, pool in enumerate(pools):
        name = f"{pool}-{rng.choice('abcdef')}{rng.randrange(16**4):04x}"
        node = _object(
            "Node", "", name, born, api="v1",
            labels={
                "kubernetes.io/hostname": name,
                "node.example/pool": pool,
                "topology.kubernetes.io/zone": f"zone-{'abc'[index % 3]}",
            },
        )  # fmt: skip
        node["spec"] = {}
        if pool == "batch":
            node["spec"]["taints"] = [
                {"key": "node.example/dedicated", "value": "batch", "effect": "NoSchedule"}
            ]
        if index == cordoned:
            node["spec"]["unschedulable"] = True
            node["metadata"]["annotations"] = {
                "node.example/note": "cordoned for a kernel upgrade, planned; see the calendar"
            }
        size = {"cpu": "8", "memory": "16Gi", "pods": "80"}
        node["status"] = {"capacity": size, "allocatable": size}
        put(node)
    for name, provisioner in (("standard", "disk"), ("fast", "disk"), ("shared", "files")):
        found = _object("StorageClass", "", name, born, api="storage.k8s.io/v1")
        found["provisioner"] = f"{provisioner}.csi.example"
        if name == "standard":
            found["metadata"]["annotations"] = {
                "storageclass.kubernetes.io/is-default-class": "true"
            }
        put(found)


def _draw_apps(platform: Platform) -> None:
    """Draw who there is and who calls whom: an edge, two layers of services, databases, workers."""
    rng = platform.rng
    spaces = platform.namespaces[:3]
    names = rng.sample(SERVICES, 8)
    databases = [
        _app(platform, name, rng.choice(spaces), "StatefulSet", port=5432, replicas=1)
        for name in rng.sample(DATABASES, 3)
    ]
    lower = [_app(platform, name, rng.choice(spaces), "Deployment") for name in names[:4]]
    upper = [_app(platform, name, rng.choice(spaces), "Deployment") for name in names[4:]]
    edge = _app(
        platform, rng.choice(("gateway", "storefront-web", "edge-api")), spaces[0], "Deployment"
    )
    workers = [
        _app(platform, name, rng.choice(spaces), "Deployment", port=0, pool="batch")
        for name in rng.sample(WORKERS, 2)
    ]
    agent = _app(platform, "node-agent", "platform", "DaemonSet", port=9100)
    for app in lower:
        _call(app, rng.sample(databases, rng.randint(1, 2)))
    for app in upper:
        _call(app, rng.sample(lower, 2))
    for app in workers:
        _call(app, [*rng.sample(lower, 1), rng.choice(databases)])
    _call(edge, rng.sample(upper, 3))
    for app in (*rng.sample(lower, 1), *rng.sample(upper, 1), workers[0]):
        app.account = app.name
        asks = rng.sample(_ASKS, 2)
        app.program = replace(app.program, asks=tuple(asks))
    keeper = rng.choice([app for app in lower if app.account == "default"])
    keeper.claim = f"{keeper.name}-files"
    for app in rng.sample([*lower, *upper], 3):
        app.volume_secret = f"{app.name}-tls"
    for app in rng.sample([app for app in (*lower, *upper) if app is not keeper], 3):
        app.program = replace(app.program, writes="/var/cache/app")
    for app in rng.sample([*lower, *upper, edge], 4):
        app.program = replace(app.program, private=True)
    platform.apps = [edge, *upper, *lower, *databases, *workers, agent]


def _app(
    platform: Platform,
    name: str,
    namespace: str,
    kind: str,
    *,
    port: int | None = None,
    replicas: int | None = None,
    pool: str = "general",
) -> App:
    rng = platform.rng
    need = rng.randrange(90, 380, 10)
    port = rng.choice((8080, 8000, 3000, 9090)) if port is None else port
    program = Program(
        port=port,
        alive=rng.choice(("/healthz", "/livez", "/-/alive")),
        ready=rng.choice(("/readyz", "/ready", "/-/ready")),
        memory_mib=need,
        cpu_m=rng.randrange(20, 160, 10),
        start_s=rng.randint(6, 25),
        settings=("LOG_LEVEL",),
        flags=("--listen", "--workers", "--config"),
    )
    tag = f"{rng.randint(1, 6)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}"
    return App(
        name=name,
        namespace=namespace,
        kind=kind,
        program=program,
        image=f"{platform.registry}/{namespace}/{name}:{tag}",
        replicas=rng.randint(2, 3) if replicas is None else replicas,
        memory_mib=-(-need * 14 // 10 // 64) * 64,
        port_name=rng.choice(("http", "web", "api")) if port and port != 5432 else "db",
        service_port=rng.choice((80, 8080)) if port != 5432 else 5432,
        pool=pool,
    )


def _call(app: App, others: list[App]) -> None:
    for other in others:
        setting = f"{other.name.upper().replace('-', '_')}_URL"
        app.calls[setting] = other
    app.program = replace(
        app.program, settings=("LOG_LEVEL", *app.calls), calls=tuple(app.calls)
    )  # fmt: skip


def _write(platform: Platform, app: App) -> None:
    """Write an application's objects and its past."""
    rng, put = platform.rng, platform.objects.put
    born = _stamp(platform.now - timedelta(days=rng.randint(60, 180)))
    put(_config(app, born))
    if app.account != "default":
        _write_account(platform, app, born)
    if app.claim:
        claim = _object("PersistentVolumeClaim", app.namespace, app.claim, born, api="v1")
        claim["spec"] = {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "shared",
            "resources": {"requests": {"storage": f"{rng.choice((10, 20, 50))}Gi"}},
        }
        put(claim)
    for name, kind in (
        (app.volume_secret, "kubernetes.io/tls"),
        (_pull_secret(app), "kubernetes.io/dockerconfigjson"),
    ):
        if name:
            secret = _object("Secret", app.namespace, name, born, api="v1")
            keys = ("tls.crt", "tls.key") if kind.endswith("tls") else (".dockerconfigjson",)
            put({**secret, "type": kind, "data": dict.fromkeys(keys, "aGlkZGVu")})
    if app.program.port:
        put(_service(app, born, rng.randrange(2, 250)))
    if app.program.port and app.kind != "DaemonSet":
        put(_policy(platform, app, born))
    put(_workload(app, born))
    _remember(platform, app)
    platform.remarks[str(app.ref)] = rng.sample(REMARKS, rng.randint(1, 3))


def _config(app: App, born: str) -> Manifest:
    found = _object("ConfigMap", app.namespace, f"{app.name}-config", born, api="v1")
    addresses = {name: other.address for name, other in app.calls.items()}
    return {**found, "data": {"LOG_LEVEL": "info", "CACHE_TTL": "300", **addresses}}


def _write_account(platform: Platform, app: App, born: str) -> None:
    put, api = platform.objects.put, "rbac.authorization.k8s.io/v1"
    put(_object("ServiceAccount", app.namespace, app.account, born, api="v1"))
    role = _object("Role", app.namespace, f"{app.name}-reader", born, api=api)
    put({
        **role,
        "rules": [
            {"apiGroups": [""], "resources": [resource], "verbs": [verb]}
            for verb, resource in app.program.asks
        ],
    })  # fmt: skip
    binding = _object("RoleBinding", app.namespace, f"{app.name}-reader", born, api=api)
    subject = {"kind": "ServiceAccount", "name": app.account, "namespace": app.namespace}
    put({
        **binding,
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": f"{app.name}-reader",
        },
        "subjects": [subject],
    })  # fmt: skip


def _service(app: App, born: str, last: int) -> Manifest:
    found = _object("Service", app.namespace, app.name, born, api="v1", labels=app.labels)
    port = {"name": app.port_name, "port": app.service_port, "targetPort": app.port_name}
    spec = {
        "clusterIP": f"10.96.{sum(app.name.encode()) % 250}.{last}",
        "selector": app.labels,
        "ports": [port],
    }
    return {**found, "spec": spec}


def _policy(platform: Platform, app: App, born: str) -> Manifest:
    """Return the policy that lets in who calls an application; the edge is open to all."""
    found = _object(
        "NetworkPolicy", app.namespace, f"{app.name}-ingress", born, api="networking.k8s.io/v1"
    )
    peers = [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": other.namespace}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": other.name}},
        }
        for other in platform.callers(app)
    ]
    rule: dict[str, Any] = {"ports": [{"protocol": "TCP", "port": app.program.port}]}
    if peers:
        rule["from"] = peers
    spec = {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": app.name}},
        "policyTypes": ["Ingress"],
        "ingress": [rule],
    }
    return {**found, "spec": spec}


def _workload(app: App, born: str) -> Manifest:
    found = _object(app.kind, app.namespace, app.name, born, api="apps/v1", labels=app.labels)
    spec: dict[str, Any] = {
        "selector": {"matchLabels": {"app.kubernetes.io/name": app.name}},
        "template": {"metadata": {"labels": app.labels}, "spec": _pod_spec(app)},
    }
    if app.kind != "DaemonSet":
        spec = {"replicas": app.replicas, **spec}
    if app.kind == "StatefulSet":
        spec["serviceName"] = app.name
        spec["volumeClaimTemplates"] = [
            {
                "metadata": {"name": "data"},
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": "fast",
                    "resources": {"requests": {"storage": "50Gi"}},
                },
            }
        ]
    return {**found, "spec": spec}


def _pod_spec(app: App) -> Manifest:
    spec: dict[str, Any] = {
        "securityContext": {"runAsNonRoot": True},
        "containers": [_container(app)],
    }
    volumes: list[Manifest] = []
    if app.program.writes:
        volumes.append({"name": "cache", "emptyDir": {}})
    if app.volume_secret:
        volumes.append({"name": "tls", "secret": {"secretName": app.volume_secret}})
    if app.claim:
        volumes.append({"name": "files", "persistentVolumeClaim": {"claimName": app.claim}})
    if volumes:
        spec["volumes"] = volumes
    if app.account != "default":
        spec["serviceAccountName"] = app.account
    if _pull_secret(app):
        spec["imagePullSecrets"] = [{"name": _pull_secret(app)}]
    if app.kind == "Deployment":
        spec["nodeSelector"] = {"node.example/pool": app.pool}
    if app.pool == "batch" or app.kind == "DaemonSet":
        spec["tolerations"] = [
            {
                "key": "node.example/dedicated", "operator": "Equal", "value": "batch",
                "effect": "NoSchedule",
            }
        ]  # fmt: skip
    return spec


def _container(app: App) -> Manifest:
    program = app.program
    config = f"{app.name}-config"
    container: dict[str, Any] = {
        "name": app.name,
        "image": app.image,
        "args": ["--config=/etc/app", "--workers=4"],
        "env": [
            {"name": name, "valueFrom": {"configMapKeyRef": {"name": config, "key": name}}}
            for name in program.settings
        ],
        "resources": {
            "requests": {"cpu": "100m", "memory": f"{app.memory_mib // 2}{_MI}"},
            "limits": {"cpu": "500m", "memory": f"{app.memory_mib}{_MI}"},
        },
        "securityContext": {"allowPrivilegeEscalation": False},
    }
    mounts: list[Manifest] = []
    if program.writes:
        container["securityContext"]["readOnlyRootFilesystem"] = True
        mounts.append({"name": "cache", "mountPath": program.writes})
    if app.volume_secret:
        mounts.append({"name": "tls", "mountPath": "/etc/tls", "readOnly": True})
    if app.claim:
        mounts.append({"name": "files", "mountPath": "/srv/files"})
    if mounts:
        container["volumeMounts"] = mounts
    if program.port:
        container["ports"] = [{"name": app.port_name, "containerPort": program.port}]
        container["readinessProbe"] = {
            "httpGet": {"path": program.ready, "port": app.port_name}, "periodSeconds": 10,
        }  # fmt: skip
        container["livenessProbe"] = {
            "httpGet": {"path": program.alive, "port": app.port_name},
            "initialDelaySeconds": program.start_s + 5, "periodSeconds": 10, "failureThreshold": 3,
        }  # fmt: skip
    return container


def _remember(platform: Platform, app: App) -> None:
    """Give an application a past: two to four rollouts, each of an image that there was."""
    rng = platform.rng
    number = rng.randint(3, 30)
    count = rng.randint(2, 4)
    base, _, tag = app.image.rpartition(":")
    at = platform.now - timedelta(days=rng.randint(30, 50))
    revisions: list[Revision] = []
    for index in range(count):
        last = index == count - 1
        major, minor, patch = map(int, tag.split("."))
        image = app.image if last else f"{base}:{major}.{minor}.{patch}-r{index + 1}"
        platform.images[image] = app.program
        template = copy.deepcopy(platform.template(app))
        template["spec"]["containers"][0]["image"] = image
        cause = f"{rng.choice(REASONS)} ({image.rpartition(':')[2]})"
        revisions.append(Revision(number=number + index, at=at, cause=cause, template=template))
        at += timedelta(days=rng.randint(3, 9), minutes=rng.randrange(600))
    platform.history[str(app.ref)] = revisions


def _give_quotas(platform: Platform) -> None:
    """Give each namespace a quota with room for one rollout, and a range for containers."""
    born = _stamp(platform.now - timedelta(days=190))
    for name in platform.namespaces[:3]:
        mine = [app for app in platform.apps if app.namespace == name]
        pods = sum(app.replicas for app in mine)
        memory = sum(app.replicas * app.memory_mib // 2 for app in mine)
        quota = _object("ResourceQuota", name, "compute", born, api="v1")
        cpu = pods * 100 + 500
        quota["spec"] = {
            "hard": {
                "requests.cpu": f"{cpu}m",
                "requests.memory": f"{memory + 1536}{_MI}",
                "pods": str(pods + 8),
            }
        }
        platform.objects.put(quota)
        limits = _object("LimitRange", name, "containers", born, api="v1")
        limits["spec"] = {
            "limits": [
                {
                    "type": "Container",
                    "defaultRequest": {"cpu": "50m", "memory": "64Mi"},
                    "default": {"cpu": "250m", "memory": "128Mi"},
                    "max": {"memory": "4Gi"},
                }
            ]
        }
        platform.objects.put(limits)


def _pull_secret(app: App) -> str:
    return f"{app.namespace}-registry" if app.program.private else ""


def _object(
    kind: str,
    namespace: str,
    name: str,
    born: str,
    *,
    api: str,
    labels: dict[str, str] | None = None,
) -> Manifest:
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = dict(labels)
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {**metadata, "creationTimestamp": born},
    }


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
