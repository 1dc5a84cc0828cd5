"""What becomes of a pod on its node: volumes, images, settings, the program, its probes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fleetgym_cluster.objects import Manifest, Objects, dig, items, strings
from fleetgym_cluster.pods import Container
from fleetgym_cluster.quantity import MI, amount
from fleetgym_cluster.rbac import allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetgym_cluster.network import Network
    from fleetgym_cluster.pods import Pod
    from fleetgym_cluster.world import World

__all__ = ["Kubelet"]

_BACK_OFF_S = 300


class Kubelet:
    """Runs pods that have a node."""

    def __init__(self, objects: Objects, world: World) -> None:
        self._objects = objects
        self._world = world

    def start(self, pod: Pod) -> None:
        """Bring a pod's containers as far as they come, whatever it calls."""
        pod.containers = [
            Container(name=str(one.get("name")), spec=one)
            for one in items(pod.spec, "containers")
        ]  # fmt: skip
        at = pod.created
        pod.note(
            "Scheduled", f"Successfully assigned {pod.namespace}/{pod.name} to {pod.node}", at=at
        )
        missing = self._missing_volume(pod)
        if missing:
            age = (self._world.now - at) / timedelta(minutes=2)
            pod.note(
                "FailedMount", missing, at=self._world.now, warning=True, count=max(1, int(age))
            )
            return
        for container in pod.containers:
            self._start(pod, container)
        pod.started = all(container.state == "Running" for container in pod.containers)

    def settle(self, pod: Pod, network: Network) -> bool:
        """Set whether a pod is ready, given who else is; return whether that is news."""
        ready = pod.started and all(
            not self._unready(pod, container, network) for container in pod.containers
        )
        changed, pod.ready = ready != pod.ready, ready
        for container in pod.containers:
            container.ready = ready
        return changed

    def report(self, pod: Pod, network: Network) -> None:
        """Write down what its readiness probes and its calls come to, once all is settled."""
        if not pod.started:
            return
        for container in pod.containers:
            problems = self.failures(pod, container, network)
            container.logs += [
                self._line(
                    "error",
                    f'msg="upstream call failed" setting={name} target={address} error="{why}"',
                )
                for name, address, why in problems
            ]  # fmt: skip
            reason = self._unready(pod, container, network)
            if reason:
                count = int((self._world.now - pod.created) / timedelta(seconds=10))
                pod.note(
                    "Unhealthy", f"Readiness probe failed: {reason}", at=self._world.now,
                    warning=True, count=max(1, count),
                )  # fmt: skip

    def settings(self, pod: Pod, container: Container) -> dict[str, str]:
        """Return a container's environment, as far as it can be made."""
        values: dict[str, str] = {}
        for source in items(container.spec, "envFrom"):
            for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                found = self._objects.get(kind, pod.namespace, str(dig(source, key, "name")))
                prefix = str(source.get("prefix", ""))
                values |= {f"{prefix}{k}": v for k, v in _data(found).items()} if found else {}
        for entry in items(container.spec, "env"):
            value = self._value(pod, entry)
            if value is not None:
                values[str(entry.get("name"))] = value
        return values

    def _missing_volume(self, pod: Pod) -> str:
        for volume in items(pod.spec, "volumes"):
            name = volume.get("name")
            for kind, part, key in (
                ("ConfigMap", "configMap", "name"),
                ("Secret", "secret", "secretName"),
            ):
                wanted = dig(volume, part, key)
                if (
                    wanted is not None
                    and not dig(volume, part, "optional", default=False)
                    and self._objects.get(kind, pod.namespace, wanted) is None
                ):
                    what = f'{kind.lower()} "{wanted}" not found'
                    return f'MountVolume.SetUp failed for volume "{name}" : {what}'
        return ""

    def _start(self, pod: Pod, container: Container) -> None:
        at, image = pod.created + timedelta(seconds=2), str(container.spec.get("image", ""))
        program = self._world.images.get(image) or self._world.images.get(f"{image}:latest")
        problem = self._pull_problem(pod, image)
        if program is None or problem:
            why = problem or f"manifest unknown: tag {image.rpartition(':')[2]} is not known"
            told = (
                f'Failed to pull image "{image}": rpc error: code = '
                f"{'Unknown' if problem else 'NotFound'} desc = failed to pull and unpack image: "
                f"{image.partition('/')[0]}: {why}"
            )
            backing_off = f'Back-off pulling image "{image}"'
            pod.note("Pulling", f'Pulling image "{image}"', at=at)
            pod.note("Failed", told, at=self._world.now, warning=True, count=4)
            pod.note("BackOff", backing_off, at=self._world.now, warning=True, count=17)
            container.reason, container.message = "ImagePullBackOff", backing_off
            return
        container.program = program
        pod.note("Pulled", f'Container image "{image}" already present on machine', at=at)
        refused = self._refused(pod, container)
        if refused:
            container.reason, container.message = "CreateContainerConfigError", refused
            pod.note("Failed", f"Error: {refused}", at=self._world.now, warning=True, count=12)
            return
        pod.note("Created", f"Created container {container.name}", at=at)
        pod.note("Started", f"Started container {container.name}", at=at + timedelta(seconds=1))
        self._run(pod, container)

    def _pull_problem(self, pod: Pod, image: str) -> str:
        program = self._world.images.get(image)
        if program is None or not program.private:
            return ""
        account = self._objects.get("ServiceAccount", pod.namespace, pod.account)
        named = [*items(pod.spec, "imagePullSecrets"), *items(account, "imagePullSecrets")]
        for one in named:
            secret = self._objects.get("Secret", pod.namespace, str(one.get("name")))
            kind = dig(secret, "type", default="")
            if kind == "kubernetes.io/dockerconfigjson":
                return ""
        return "pull access denied, authorization failed: no basic auth credentials"

    def _refused(self, pod: Pod, container: Container) -> str:
        """Return why the container cannot be created; empty when it can."""
        for entry in items(container.spec, "env"):
            for kind, key in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
                source = dig(entry, "valueFrom", key)
                if source is None or source.get("optional"):
                    continue
                found = self._objects.get(kind, pod.namespace, str(source.get("name")))
                if found is None:
                    return f'{kind.lower()} "{source.get("name")}" not found'
                if source.get("key") not in _data(found):
                    where = f"{pod.namespace}/{source.get('name')}"
                    return f"couldn't find key {source.get('key')} in {kind} {where}"
        for source in items(container.spec, "envFrom"):
            for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                name = dig(source, key, "name")
                if name and self._objects.get(kind, pod.namespace, name) is None:
                    return f'{kind.lower()} "{name}" not found'
        user = _security(pod, container, "runAsUser")
        user = container.program.user if user is None and container.program else user
        if _security(pod, container, "runAsNonRoot") and user == 0:
            return "container has runAsNonRoot and image will run as root"
        return ""

    def _run(self, pod: Pod, container: Container) -> None:
        """Let the program begin; it runs on, or ends again and again."""
        program = container.program
        assert program is not None
        limit = strings(container.spec, "resources", "limits").get("memory")
        starting = self._line("info", f'msg="starting" revision={pod.revision}', pod.created)
        if limit is not None and amount(limit) < program.memory_mib * MI:
            lines = [starting, self._line("info", 'msg="loading data" progress=62%', pod.created)]
            self._crash(pod, container, "OOMKilled", 137, lines)
            return
        complaint = next(self._complaints(pod, container), "")
        if complaint:
            lines = [starting, self._line("fatal", complaint, pod.created)]
            self._crash(pod, container, "Error", 2 if "flag" in complaint else 1, lines)
            return
        killed = self._killed(container)
        if killed:
            lines = [starting, self._line("info", 'msg="received SIGTERM, shutting down"')]
            self._crash(pod, container, "Completed", 0, lines)
            name = container.name
            pod.note(
                "Unhealthy",
                f"Liveness probe failed: {killed}",
                at=self._world.now,
                warning=True,
                count=21,
            )
            pod.note(
                "Killing",
                f"Container {name} failed liveness probe, will be restarted",
                at=self._world.now,
                count=7,
            )
            return
        container.state, container.reason = "Running", ""
        began = pod.created + timedelta(seconds=program.start_s)
        container.logs = [
            starting,
            *(
                [self._line("info", f'msg="listening" addr=:{program.port}', began)]
                if program.port
                else []
            ),
            *(
                f"{self._world.now - timedelta(seconds=40 - 10 * n):%Y-%m-%dT%H:%M:%SZ} {text}"
                for n, text in enumerate(self._world.remarks.get(str(pod.owner), ()))
            ),
        ]

    def _complaints(self, pod: Pod, container: Container) -> Iterator[str]:
        """Yield what a program says that ends because of it."""
        program = container.program
        assert program is not None
        for argument in dig(container.spec, "args", default=[]):
            flag = str(argument).partition("=")[0]
            if program.flags and flag.startswith("-") and flag not in program.flags:
                yield f'msg="unknown flag: {flag}"'
        values = self.settings(pod, container)
        for name in program.settings:
            if not values.get(name):
                yield f'msg="required setting {name} is not set"'
        if program.writes and _security(pod, container, "readOnlyRootFilesystem"):
            mounts = [
                str(m.get("mountPath")).rstrip("/")
                for m in items(container.spec, "volumeMounts")
                if not m.get("readOnly")
            ]
            if not any(f"{program.writes}/".startswith(f"{mount}/") for mount in mounts):
                yield f'msg="open {program.writes}/index.tmp: read-only file system"'
        for verb, resource in program.asks:
            if not allowed(
                self._objects, (pod.namespace, pod.account), verb, resource, pod.namespace
            ):
                who = f"system:serviceaccount:{pod.namespace}:{pod.account}"
                yield (
                    f'msg="{resource} is forbidden: User \\"{who}\\" cannot {verb} resource '
                    f'\\"{resource}\\" in the namespace \\"{pod.namespace}\\""'
                )

    def _crash(
        self, pod: Pod, container: Container, reason: str, code: int, lines: list[str]
    ) -> None:
        alive = self._world.now - pod.created
        container.reason = "CrashLoopBackOff"
        container.message = (
            f"back-off 5m0s restarting failed container={container.name} "
            f"pod={pod.name}_{pod.namespace}"
        )
        container.last_reason, container.exit_code = reason, code
        container.restarts = max(1, int(alive / timedelta(seconds=_BACK_OFF_S)) + 4)
        container.logs = container.previous = lines
        told = f"Back-off restarting failed container {container.name} in pod {pod.name}"
        count = container.restarts * 5
        pod.note("BackOff", told, at=self._world.now, warning=True, count=count)

    def _killed(self, container: Container) -> str:
        """Return why the liveness probe fails; empty when it does not."""
        program, probe = container.program, dig(container.spec, "livenessProbe")
        if program is None or probe is None:
            return ""
        startup = dig(container.spec, "startupProbe")
        patience = _patience_s(startup) if startup else _patience_s(probe)
        host = "http://10.0.0.1"
        if startup and (failure := _probe_failure(container, startup)):
            return failure
        if patience < program.start_s:
            return f'Get "{host}": dial tcp: connect: connection refused'
        return _probe_failure(container, probe)

    def _unready(self, pod: Pod, container: Container, network: Network) -> str:
        program, probe = container.program, dig(container.spec, "readinessProbe")
        if program is None or probe is None:
            return ""
        failure = _probe_failure(container, probe)
        if failure:
            return failure
        if dig(probe, "httpGet", "path") == program.ready and self.failures(
            pod, container, network
        ):
            return "HTTP probe failed with statuscode: 503"
        return ""

    def failures(
        self, pod: Pod, container: Container, network: Network
    ) -> list[tuple[str, str, str]]:
        """Return the calls that do not arrive: setting, address, and why."""
        if container.program is None:
            return []
        values = self.settings(pod, container)
        return [
            (name, values[name], why)
            for name in container.program.calls
            if name in values and (why := network.failure(pod, values[name]))
        ]

    def _value(self, pod: Pod, entry: Manifest) -> str | None:
        if "value" in entry:
            return str(entry["value"])
        for kind, key in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
            source = dig(entry, "valueFrom", key)
            if source is not None:
                found = self._objects.get(kind, pod.namespace, str(source.get("name")))
                return _data(found).get(str(source.get("key"))) if found else None
        if dig(entry, "valueFrom", "fieldRef") is not None:
            return pod.name
        return None

    def _line(self, level: str, text: str, at: datetime | None = None) -> str:
        moment = at or self._world.now - timedelta(seconds=7)
        return f"{moment:%Y-%m-%dT%H:%M:%SZ} level={level} {text}"


def _data(manifest: Manifest | None) -> dict[str, str]:
    return strings(manifest, "data") | strings(manifest, "stringData")


def _security(pod: Pod, container: Container, name: str) -> object:
    own = dig(container.spec, "securityContext", name)
    return own if own is not None else dig(pod.spec, "securityContext", name)


def _patience_s(probe: Manifest) -> int:
    """Return how long after its start a container may fail a probe before it is given up."""
    return int(probe.get("initialDelaySeconds", 0)) + int(probe.get("periodSeconds", 10)) * int(
        probe.get("failureThreshold", 3)
    )


def _probe_failure(container: Container, probe: Manifest) -> str:
    """Return why a probe of a running container fails; empty when it does not."""
    program = container.program
    assert program is not None
    for kind in ("httpGet", "tcpSocket"):
        if kind not in probe:
            continue
        port = probe[kind].get("port")
        if isinstance(port, str):
            named = [p for p in items(container.spec, "ports") if p.get("name") == port]
            port = named[0].get("containerPort") if named else None
        if port != program.port:
            return f'Get "http://10.0.0.1:{port}": dial tcp: connect: connection refused'
        path = probe[kind].get("path", "/")
        if kind == "httpGet" and path not in (program.alive, program.ready):
            return "HTTP probe failed with statuscode: 404"
    return ""
