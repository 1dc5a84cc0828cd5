"""What can be wrong with a cluster, each done to one application of a healthy one.

A fault changes objects as somebody would by mistake. Those of a rollout change a pod template and
leave a revision that never came to an end; the others change what pods depend on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fleetgym_cluster.objects import Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fleetgym_cluster.objects import Manifest
    from fleetgym_platform.platform import App, Platform

__all__ = ["FAULTS", "Fault", "Kind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that was made wrong."""

    cause: str
    app: Ref
    """The application's workload."""

    culprits: tuple[Ref, ...]
    """Objects that a diagnosis may name: where it was made wrong, or can be put right."""

    clues: tuple[Ref, ...] = ()
    """Further objects that a repair may touch."""

    size: int = 1
    """How many objects a full repair touches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of fault."""

    fits: Callable[[Platform, App], bool]
    make: Callable[[Platform, App, str], Fault]
    """Makes it so; the text is the cause's name."""


_CAUSES = ("new release", "tuning", "clean-up of manifests", "hardening", "new chart version")


def _rolled_out(change: Callable[[Platform, App], Sequence[Ref]]) -> Callable[..., Fault]:
    """Make a fault of a change to the pod template, with a revision that did not complete."""

    def make(platform: Platform, app: App, cause: str) -> Fault:
        further = change(platform, app)
        rng = platform.rng
        at = platform.now - timedelta(minutes=rng.randint(18, 50))
        platform.roll_out(app, rng.choice(_CAUSES), at, completed=False)
        return Fault(cause=cause, app=app.ref, culprits=(app.ref, *further))

    return make


def _next_image(platform: Platform, app: App, **program: Any) -> str:
    """Put a new image of the application into the registry and into the template."""
    base, _, tag = app.image.rpartition(":")
    major, minor, _ = (int(part) for part in tag.split("."))
    image = f"{base}:{major}.{minor + 1}.0"
    platform.images[image] = replace(app.program, **program)
    platform.container(app)["image"] = image
    return image


def _image_not_found(platform: Platform, app: App) -> Sequence[Ref]:
    image = _next_image(platform, app)
    base, _, tag = image.rpartition(":")
    major, minor, patch = tag.split(".")
    platform.container(app)["image"] = platform.rng.choice(
        (f"{base}:{major}.{minor}.{patch}-rc", f"{base}:{minor}.{major}.{patch}", f"{base}:v{tag}")
    )
    if platform.container(app)["image"] in platform.images:
        platform.container(app)["image"] = f"{base}:{tag}-rc"
    return ()


def _bad_arguments(platform: Platform, app: App) -> Sequence[Ref]:
    flag = platform.rng.choice(("--worker=8", "--conf=/etc/app", "--max-threads=16", "--verbose"))
    container = platform.container(app)
    container["args"] = [*container["args"], flag]
    return ()


def _missing_config(platform: Platform, app: App) -> Sequence[Ref]:
    entry = platform.rng.choice(platform.container(app)["env"])
    source = entry["valueFrom"]["configMapKeyRef"]
    key = str(source["key"])
    source["key"] = platform.rng.choice(
        (f"APP_{key}", key.replace("_", "-").lower(), f"{key}_V2")
    )  # fmt: skip
    return (app.object("ConfigMap", "-config"),)


def _out_of_memory(platform: Platform, app: App) -> Sequence[Ref]:
    container = platform.container(app)
    if platform.rng.random() < 0.5:
        need = app.memory_mib + platform.rng.randint(10, app.memory_mib // 3)
        _next_image(platform, app, memory_mib=need)
    else:
        less = app.program.memory_mib - platform.rng.randint(20, 60)
        container["resources"]["limits"]["memory"] = f"{less}Mi"
        container["resources"]["requests"]["memory"] = f"{less // 2}Mi"
    return ()


def _liveness_probe(platform: Platform, app: App) -> Sequence[Ref]:
    probe = platform.container(app)["livenessProbe"]
    if platform.rng.random() < 0.5:
        patience = probe["initialDelaySeconds"] + 30
        _next_image(platform, app, start_s=patience + platform.rng.randint(5, 30))
    else:
        probe["httpGet"]["path"] = "/health/alive"
    return ()


def _readiness_probe(platform: Platform, app: App) -> Sequence[Ref]:
    probe = platform.container(app)["readinessProbe"]["httpGet"]
    if platform.rng.random() < 0.5:
        probe["path"] = "/status/ready"
    else:
        probe["port"] = app.program.port + 1
    return ()


def _quota_exceeded(platform: Platform, app: App) -> Sequence[Ref]:
    container = platform.container(app)
    container["resources"]["requests"]["cpu"] = platform.rng.choice(("1200m", "1", "1500m"))
    container["resources"]["limits"]["cpu"] = "2"
    return ()


def _node_selector(platform: Platform, app: App) -> Sequence[Ref]:
    wrong = {
        "general": ("genral", "general-purpose", "web"),
        "batch": ("batches", "jobs", "worker"),
    }
    spec = platform.template(app)["spec"]
    spec["nodeSelector"]["node.example/pool"] = platform.rng.choice(wrong[app.pool])
    return ()


def _untolerated_taint(platform: Platform, app: App) -> Sequence[Ref]:
    toleration = platform.template(app)["spec"]["tolerations"][0]
    if platform.rng.random() < 0.5:
        toleration["value"] = "batches"
    else:
        toleration["key"] = "dedicated"
    return ()


def _insufficient_resources(platform: Platform, app: App) -> Sequence[Ref]:
    container = platform.container(app)
    container["resources"]["requests"]["memory"] = platform.rng.choice(("18Gi", "20Gi", "24Gi"))
    container["resources"]["limits"]["memory"] = "24Gi"
    for kind, path in (("ResourceQuota", "hard"), ("LimitRange", "limits")):
        for found in platform.objects.of(kind, app.namespace):
            if path == "hard":
                found["spec"]["hard"]["requests.memory"] = "96Gi"
            else:
                found["spec"]["limits"][0]["max"]["memory"] = "32Gi"
    return ()


def _node_pressure(platform: Platform, app: App) -> Sequence[Ref]:
    """Bring a release that takes most of a node's memory, and a limit that lets it."""
    _next_image(platform, app, memory_mib=platform.rng.randrange(15000, 15600, 50))
    platform.container(app)["resources"]["limits"]["memory"] = "16Gi"
    for found in platform.objects.of("LimitRange", app.namespace):
        found["spec"]["limits"][0]["max"]["memory"] = "32Gi"
    return ()


def _volume_claim(platform: Platform, app: App) -> Sequence[Ref]:
    name = f"{app.name}-{platform.rng.choice(('index', 'spool', 'assets'))}"
    mode, storage = platform.rng.choice(
        (("ReadWriteMany", "fast"), ("ReadWriteMany", "standard"), ("ReadWriteOnce", "fast-ssd"))
    )
    platform.objects.put({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": app.namespace},
        "spec": {
            "accessModes": [mode],
            "storageClassName": storage,
            "resources": {"requests": {"storage": "20Gi"}},
        },
    })  # fmt: skip
    spec = platform.template(app)["spec"]
    volume = {"name": "extra", "persistentVolumeClaim": {"claimName": name}}
    spec["volumes"] = [*spec.get("volumes", []), volume]
    container = platform.container(app)
    mount = {"name": "extra", "mountPath": "/srv/extra"}
    container["volumeMounts"] = [*container.get("volumeMounts", []), mount]
    return (Ref("PersistentVolumeClaim", app.namespace, name),)


def _image_pull_denied(platform: Platform, app: App) -> Sequence[Ref]:
    spec = platform.template(app)["spec"]
    if platform.rng.random() < 0.5:
        del spec["imagePullSecrets"]
    else:
        spec["imagePullSecrets"] = [{"name": "regcred"}]
    return (Ref("ServiceAccount", app.namespace, app.account),)


def _missing_secret(platform: Platform, app: App) -> Sequence[Ref]:
    volume = next(v for v in platform.template(app)["spec"]["volumes"] if "secret" in v)
    volume["secret"]["secretName"] = platform.rng.choice(
        (f"{app.name}-cert", f"{app.name}-tls-2026", f"{app.name}-certificates")
    )
    return ()


def _service_account(platform: Platform, app: App) -> Sequence[Ref]:
    wrong = platform.rng.choice((f"{app.name}-sa", f"{app.name}-runner", "app"))
    platform.template(app)["spec"]["serviceAccountName"] = wrong
    return ()


def _security_context(platform: Platform, app: App) -> Sequence[Ref]:
    if app.program.writes and platform.rng.random() < 0.5:
        spec, container = platform.template(app)["spec"], platform.container(app)
        spec["volumes"] = [v for v in spec["volumes"] if v["name"] != "cache"]
        container["volumeMounts"] = [m for m in container["volumeMounts"] if m["name"] != "cache"]
    else:
        _next_image(platform, app, user=0)
    return ()


def _node_unavailable(platform: Platform, app: App, cause: str) -> Fault:
    """Leave the nodes of a pool cordoned after the work on them was done."""
    rng = platform.rng
    done = platform.now - timedelta(minutes=rng.randint(40, 90))
    refs: list[Ref] = []
    for node in platform.objects.of("Node"):
        if node["metadata"]["labels"]["node.example/pool"] == app.pool:
            node["spec"]["unschedulable"] = True
            node["metadata"]["annotations"] = {
                "node.example/note": f"drained for a firmware update, finished {done:%H:%M} UTC"
            }
            refs.append(Ref("Node", "", node["metadata"]["name"]))
    for other in platform.apps:
        if other.pool == app.pool:
            last = platform.history[str(other.ref)][-1]
            platform.history[str(other.ref)][-1] = replace(last, at=done)
    return Fault(cause=cause, app=app.ref, culprits=tuple(refs), size=len(refs))


def _wrong_address(platform: Platform, app: App, cause: str) -> Fault:
    rng = platform.rng
    setting, other = rng.choice(sorted(app.calls.items()))
    config = _config_of(platform, app)
    elsewhere = next(n for n in platform.namespaces if n not in (other.namespace, app.namespace))
    config["data"][setting] = rng.choice((
        other.address.replace(other.name, f"{other.name}-svc"),
        other.address.replace(f".{other.namespace}.", f".{elsewhere}."),
        other.address.replace(f":{other.service_port}", f":{other.program.port + 2}"),
    ))  # fmt: skip
    ref = app.object("ConfigMap", "-config")
    return Fault(cause=cause, app=app.ref, culprits=(ref,))


def _service_selector(platform: Platform, app: App, cause: str) -> Fault:
    ref = app.object("Service")
    selector = platform.objects[ref]["spec"]["selector"]
    wrong = platform.rng.choice(("name", "part-of"))
    selector[f"app.kubernetes.io/{wrong}"] += platform.rng.choice(("-v2", "-app", "-live"))
    return Fault(cause=cause, app=app.ref, culprits=(ref,))


def _service_port(platform: Platform, app: App, cause: str) -> Fault:
    ref = app.object("Service")
    port = platform.objects[ref]["spec"]["ports"][0]
    names = [name for name in ("http", "web", "api", "main") if name != app.port_name]
    port["targetPort"] = platform.rng.choice((platform.rng.choice(names), app.program.port + 1))
    return Fault(cause=cause, app=app.ref, culprits=(ref,))


def _network_policy(platform: Platform, app: App, cause: str) -> Fault:
    ref = app.object("NetworkPolicy", "-ingress")
    rule = platform.objects[ref]["spec"]["ingress"][0]
    peer = platform.rng.choice(rule["from"])
    choice = platform.rng.randrange(3)
    if choice == 0:
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] += "-v2"
    elif choice == 1:
        labels = peer["namespaceSelector"]["matchLabels"]
        labels["kubernetes.io/metadata.name"] += "-prod"
    else:
        rule["ports"][0]["port"] = app.program.port + 3
    return Fault(cause=cause, app=app.ref, culprits=(ref,))


def _rbac_denied(platform: Platform, app: App, cause: str) -> Fault:
    role, binding = (app.object(kind, "-reader") for kind in ("Role", "RoleBinding"))
    if platform.rng.random() < 0.5:
        subject = platform.objects[binding]["subjects"][0]
        if platform.rng.random() < 0.5:
            subject["namespace"] = next(n for n in platform.namespaces if n != app.namespace)
        else:
            subject["name"] = "default"
        culprit, further = binding, role
    else:
        rule = platform.rng.choice(platform.objects[role]["rules"])
        rule["verbs"] = [{"list": "get", "get": "list", "watch": "list"}[rule["verbs"][0]]]
        culprit, further = role, binding
    # Programs ask when they start; this one was started again.
    last = platform.history[str(app.ref)][-1]
    at = platform.now - timedelta(minutes=platform.rng.randint(20, 45))
    platform.history[str(app.ref)][-1] = replace(last, at=at)
    return Fault(cause=cause, app=app.ref, culprits=(culprit,), clues=(further,))


def _config_of(platform: Platform, app: App) -> Manifest:
    return platform.objects[app.object("ConfigMap", "-config")]


def _any(_platform: Platform, app: App) -> bool:
    return app.kind == "Deployment"


def _serves(platform: Platform, app: App) -> bool:
    return _any(platform, app) and bool(app.program.port)


def _called(platform: Platform, app: App) -> bool:
    return bool(app.program.port) and app.kind != "DaemonSet" and bool(platform.callers(app))


FAULTS: Mapping[str, Kind] = {
    "image_not_found": Kind(
        fits=_any,
        make=_rolled_out(_image_not_found),
    ),
    "bad_arguments": Kind(
        fits=_any,
        make=_rolled_out(_bad_arguments),
    ),
    "missing_config": Kind(
        fits=_any,
        make=_rolled_out(_missing_config),
    ),
    "out_of_memory": Kind(
        fits=_any,
        make=_rolled_out(_out_of_memory),
    ),
    "liveness_probe": Kind(
        fits=_serves,
        make=_rolled_out(_liveness_probe),
    ),
    "readiness_probe": Kind(
        fits=_serves,
        make=_rolled_out(_readiness_probe),
    ),
    "quota_exceeded": Kind(
        fits=_any,
        make=_rolled_out(_quota_exceeded),
    ),
    "node_selector": Kind(
        fits=_any,
        make=_rolled_out(_node_selector),
    ),
    "untolerated_taint": Kind(
        fits=lambda _platform, app: app.pool == "batch",
        make=_rolled_out(_untolerated_taint),
    ),
    "node_pressure": Kind(
        fits=_any,
        make=_rolled_out(_node_pressure),
    ),
    "node_unavailable": Kind(
        fits=lambda _platform, app: app.pool == "batch",
        make=_node_unavailable,
    ),
    "insufficient_resources": Kind(
        fits=_any,
        make=_rolled_out(_insufficient_resources),
    ),
    "volume_claim": Kind(
        fits=lambda platform, app: _any(platform, app) and not app.claim,
        make=_rolled_out(_volume_claim),
    ),
    "image_pull_denied": Kind(
        fits=lambda platform, app: _any(platform, app) and app.program.private,
        make=_rolled_out(_image_pull_denied),
    ),
    "missing_secret": Kind(
        fits=lambda _platform, app: bool(app.volume_secret),
        make=_rolled_out(_missing_secret),
    ),
    "service_account": Kind(
        fits=_any,
        make=_rolled_out(_service_account),
    ),
    "security_context": Kind(
        fits=_any,
        make=_rolled_out(_security_context),
    ),
    "wrong_address": Kind(
        fits=lambda platform, app: _any(platform, app) and bool(app.calls),
        make=_wrong_address,
    ),
    "service_selector": Kind(
        fits=_called,
        make=_service_selector,
    ),
    "service_port": Kind(
        fits=_called,
        make=_service_port,
    ),
    "network_policy": Kind(
        fits=_called,
        make=_network_policy,
    ),
    "rbac_denied": Kind(
        fits=lambda platform, app: _any(platform, app) and bool(app.program.asks),
        make=_rbac_denied,
    ),
}
"""By the name of the cause."""
