"""From manifests to what is running.

Workloads whose rollout is complete come first, then the pods that a rollout under way has left of
the old template, then those of the new one: so a new pod takes nothing away from one that runs.
"""

from __future__ import annotations

import copy
import hashlib
import math
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.json import canonical_json
from fleetgym_cluster.admission import Admission, with_defaults
from fleetgym_cluster.kinds import WORKLOADS
from fleetgym_cluster.kubelet import Kubelet
from fleetgym_cluster.network import Network
from fleetgym_cluster.objects import Manifest, Objects, Ref, dig, items, ref_of, strings
from fleetgym_cluster.pods import Event, Pod
from fleetgym_cluster.pressure import relieve
from fleetgym_cluster.scheduler import Scheduler, tolerates

if TYPE_CHECKING:
    from collections.abc import Collection

    from fleetgym_cluster.world import Cluster, Revision

__all__ = ["ReplicaSet", "State", "Workload", "reconcile", "rolling_update"]

_NO_VOLUME = "pod has unbound immediate PersistentVolumeClaims"
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(slots=True, kw_only=True)
class ReplicaSet:
    """The pods of one template of a Deployment."""

    name: str
    owner: Ref
    revision: int
    template: Manifest
    desired: int
    created: datetime


@dataclass(slots=True, kw_only=True)
class Workload:
    """A Deployment, StatefulSet or DaemonSet, and how far it is."""

    ref: Ref
    manifest: Manifest
    desired: int
    revision: int
    pods: list[Pod] = field(default_factory=list[Pod])
    wanted: int = 0
    """Pods of the present template that there should be now, in a rollout perhaps not all."""

    @property
    def ready(self) -> int:
        """Ready pods, whatever their template."""
        return sum(pod.ready for pod in self.pods)

    @property
    def updated(self) -> int:
        """Pods of the present template."""
        return sum(pod.current for pod in self.pods)

    @property
    def through(self) -> bool:
        """Whether a rollout under way may go on: what there should be of the new template is."""
        return sum(pod.current and pod.ready for pod in self.pods) == self.wanted

    @property
    def healthy(self) -> bool:
        """Whether all that is wanted runs, is ready, and is of the present template."""
        return sum(p.current and p.ready for p in self.pods) == self.desired == len(self.pods)


@dataclass(slots=True, kw_only=True)
class State:
    """What a cluster's manifests come to."""

    cluster: Cluster
    objects: Objects
    """With what controllers have made: claims of StatefulSets."""

    workloads: dict[Ref, Workload]
    replica_sets: list[ReplicaSet]
    events: list[Event]
    bound: dict[tuple[str, str], bool]
    """Whether each claim has a volume, by namespace and name."""

    pressed: list[str]
    """Nodes that ran out of memory."""

    network: Network
    scheduler: Scheduler
    admission: Admission
    kubelet: Kubelet

    @property
    def pods(self) -> list[Pod]:
        """All pods."""
        return [pod for workload in self.workloads.values() for pod in workload.pods]


def reconcile(cluster: Cluster) -> State:
    """Return the state that a cluster settles in. The same cluster, the same state."""
    objects, claims = cluster.objects.copy(), list[Event]()
    _claim(objects)
    bound: dict[tuple[str, str], bool] = {}
    for claim in objects.of("PersistentVolumeClaim"):
        ref = ref_of(claim)
        bound[ref.namespace, ref.name] = not _unbound(cluster, claim, claims)
    stuck = {
        ref_of(manifest)
        for kind in WORKLOADS
        for manifest in objects.of(kind)
        if _revisions(cluster, manifest)[1] is not None
    }
    while True:
        state = _attempt(cluster, objects, bound, stuck)
        through = {ref for ref in stuck if state.workloads[ref].through}
        if not through:
            break
        stuck -= through
    for pod in state.pods:
        state.kubelet.report(pod, state.network)
        state.events += pod.events
    state.events += claims
    state.events += (
        Event(
            at=one.at, ref=Ref(one.kind, one.namespace, one.name), type=one.type, reason=one.reason,
            message=one.message, count=one.count,
        )
        for one in cluster.world.past
    )  # fmt: skip
    state.events = sorted(
        (_seen(event, cluster.world.now) for event in state.events),
        key=lambda event: (event.at, event.ref, event.reason),
    )
    return state


def _seen(event: Event, now: datetime) -> Event:
    """Return an event that goes on as it was seen last: some seconds ago."""
    if event.at < now:
        return event
    ago = 3 + sum(f"{event.ref}{event.reason}".encode()) % 50
    return replace(event, at=now - timedelta(seconds=ago))


def _attempt(
    cluster: Cluster, objects: Objects, bound: dict[tuple[str, str], bool], stuck: Collection[Ref]
) -> State:
    """Return the state when the rollouts of some workloads are under way, and of others done."""
    state = State(
        cluster=cluster,
        objects=objects,
        workloads={},
        replica_sets=[],
        events=[],
        bound=bound,
        pressed=[],
        network=Network(objects, (), ()),
        scheduler=Scheduler(objects),
        admission=Admission(objects),
        kubelet=Kubelet(objects, cluster.world),
    )
    plans = [
        _Plan(state, manifest, rolling=ref_of(manifest) in stuck)
        for kind in WORKLOADS
        for manifest in objects.of(kind)
    ]
    for plan in plans:
        state.workloads[plan.workload.ref] = plan.workload
        if plan.old is None:
            plan.fill(range(plan.workload.desired), current=True)
    rolling = [plan for plan in plans if plan.old is not None]
    for plan in rolling:
        plan.fill(range(plan.kept), current=False)
    for plan in rolling:
        plan.fill(plan.new, current=True)
    for plan in plans:
        plan.remember()
    for node in state.scheduler.nodes:
        found = relieve(node, state.pods, cluster.world.now)
        if found:
            state.events += found
            state.pressed.append(str(node["metadata"]["name"]))
    _settle(state)
    return state


def _settle(state: State) -> None:
    """Find out who is ready: all who start are taken to be, until nobody has to be taken back."""
    pods = state.pods
    state.network = Network(state.objects, pods, tuple(state.cluster.world.outside))
    for pod in pods:
        pod.ready = pod.started
    while sum(state.kubelet.settle(pod, state.network) for pod in pods if pod.ready):
        pass


class _Plan:
    """Makes the pods of one workload."""

    def __init__(self, state: State, manifest: Manifest, *, rolling: bool) -> None:
        self._state = state
        self._manifest = manifest
        ref, world = ref_of(manifest), state.cluster.world
        current, old = _revisions(state.cluster, manifest)
        self.old = old if rolling else None
        self._begun = current.at if current else world.now - timedelta(minutes=1)
        history = world.history.get(str(ref), ())
        self._homes = self._eligible() if ref.kind == "DaemonSet" else []
        desired = len(self._homes)
        if ref.kind != "DaemonSet":
            desired = int(dig(manifest, "spec", "replicas", default=1))
        self.workload = Workload(
            ref=ref,
            manifest=manifest,
            desired=desired,
            revision=current.number if current else (history[-1].number if history else 0) + 1,
        )
        self.kept = max(0, desired - 1)
        self.new = range(self.kept, desired)
        """Which pods get the new template: of a Deployment others, of the rest the last one."""
        if ref.kind == "Deployment":
            self.kept, more = rolling_update(manifest, desired)
            self.new = range(desired - self.kept + more)
        self.workload.wanted = len(self.new) if self.old is not None else desired

    def fill(self, indices: range, *, current: bool) -> None:
        """Make pods of the present template, or of the one before."""
        ref, state = self.workload.ref, self._state
        template = dig(self._manifest, "spec", "template", default={})
        number, at = self.workload.revision, self._begun
        if not current and self.old is not None:
            template, number, at = self.old.template, self.old.number, self.old.at
        full = with_defaults(state.objects, ref.namespace, template)
        of_set = ref.kind == "Deployment"
        group = f"{ref.name}-{_hash(template, 10)}" if of_set else ref.name
        if of_set:
            state.replica_sets.append(
                ReplicaSet(name=group, owner=ref, revision=number, template=template,
                           desired=len(indices), created=at)
            )  # fmt: skip
        for index in indices:
            suffix = str(index) if ref.kind == "StatefulSet" else _hash([group, index], 5)
            pod = Pod(
                name=f"{group}-{suffix}", namespace=ref.namespace, owner=ref,
                replica_set=group if of_set else "", revision=number, template=full,
                created=at + timedelta(seconds=3 * index), current=current,
            )  # fmt: skip
            self._add(pod, self._homes[index] if self._homes else "")

    def remember(self) -> None:
        """List the ReplicaSets of a Deployment's earlier templates, which have no pods any more."""
        ref, known = self.workload.ref, {one.name for one in self._state.replica_sets}
        for one in self._state.cluster.world.history.get(str(ref), ()):
            name = f"{ref.name}-{_hash(one.template, 10)}"
            if ref.kind == "Deployment" and name not in known:
                self._state.replica_sets.append(
                    ReplicaSet(name=name, owner=ref, revision=one.number, template=one.template,
                               desired=0, created=one.at)
                )  # fmt: skip

    def _add(self, pod: Pod, only: str) -> None:
        state, ref = self._state, self.workload.ref
        refused = state.admission.refusal(pod)
        if refused:
            owner = Ref("ReplicaSet", ref.namespace, pod.replica_set) if pod.replica_set else ref
            state.events.append(
                Event(at=state.cluster.world.now, ref=owner, type="Warning", reason="FailedCreate",
                      message=f"Error creating: {refused}", count=9,
                      source=f"{owner.kind.lower()}-controller")
            )  # fmt: skip
            return
        self.workload.pods.append(pod)
        reason = self._unclaimed(pod) or state.scheduler.place(pod, only=only)
        if reason:
            pod.note("FailedScheduling", reason, at=state.cluster.world.now, warning=True, count=14)
            return
        pod.ip = _address(pod.name)
        state.kubelet.start(pod)

    def _unclaimed(self, pod: Pod) -> str:
        nodes = len(self._state.scheduler.nodes)
        for volume in items(pod.spec, "volumes"):
            name = dig(volume, "persistentVolumeClaim", "claimName")
            if name is None:
                continue
            bound = self._state.bound.get((pod.namespace, name))
            if bound is None:
                return f'0/{nodes} nodes are available: persistentvolumeclaim "{name}" not found.'
            if not bound:
                return f"0/{nodes} nodes are available: {_NO_VOLUME}."
        for one in items(self._manifest, "spec", "volumeClaimTemplates"):
            name = f"{one['metadata']['name']}-{pod.name}"
            if not self._state.bound.get((pod.namespace, name), False):
                return f"0/{nodes} nodes are available: {_NO_VOLUME}."
        return ""

    def _eligible(self) -> list[str]:
        """Return the nodes that a DaemonSet has a pod on."""
        spec = dig(self._manifest, "spec", "template", "spec", default={})
        selector = strings(spec, "nodeSelector")
        return [
            node["metadata"]["name"]
            for node in self._state.scheduler.nodes
            if selector.items() <= strings(node, "metadata", "labels").items()
            and all(tolerates(spec, taint) for taint in items(node, "spec", "taints"))
        ]


def _revisions(cluster: Cluster, manifest: Manifest) -> tuple[Revision | None, Revision | None]:
    """Return the revision that a workload's template is, and the one that still runs beside it."""
    template = dig(manifest, "spec", "template", default={})
    known = list(cluster.world.history.get(str(ref_of(manifest)), ()))
    current = known[-1] if known and known[-1].template == template else None
    done = [one for one in known if one.completed]
    if current is None and done and done[-1].template == template:
        current = done[-1]
    if not done or done[-1] is current:
        return current, None
    return current, done[-1]


def rolling_update(manifest: Manifest, desired: int) -> tuple[int, int]:
    """Return how many old pods a rollout keeps, and how many it may have beyond what is wanted."""
    if dig(manifest, "spec", "strategy", "type") == "Recreate":
        return 0, 0
    rules = dig(manifest, "spec", "strategy", "rollingUpdate", default={})
    fewer = _share(rules.get("maxUnavailable", "25%"), desired, math.floor)
    more = _share(rules.get("maxSurge", "25%"), desired, math.ceil)
    if fewer == more == 0:
        fewer = 1
    return min(desired, max(0, desired - fewer)), max(0, min(more, desired))


def _share(value: Any, whole: int, rounded: Any) -> int:
    """Return a number of pods that is written as such or as a percentage; 0 for other texts."""
    text = str(value)
    try:
        share = whole * float(text[:-1]) / 100 if text.endswith("%") else float(text)
        return int(rounded(share))
    except (OverflowError, ValueError):
        return 0


def _claim(objects: Objects) -> None:
    """Add the claims that StatefulSets make of their templates."""
    for manifest in objects.of("StatefulSet"):
        ref = ref_of(manifest)
        for template in items(manifest, "spec", "volumeClaimTemplates"):
            for index in range(int(dig(manifest, "spec", "replicas", default=1))):
                name = f"{template['metadata']['name']}-{ref.name}-{index}"
                if objects.get("PersistentVolumeClaim", ref.namespace, name) is None:
                    claim = copy.deepcopy(template)
                    claim |= {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
                    claim["metadata"] |= {
                        "name": name, "namespace": ref.namespace,
                        "creationTimestamp": dig(manifest, "metadata", "creationTimestamp"),
                    }  # fmt: skip
                    objects.put(claim)


def _unbound(cluster: Cluster, claim: Manifest, events: list[Event]) -> str:
    """Return why a claim gets no volume, with an event; empty when it gets one."""
    storage = cluster.world.storage
    name = dig(claim, "spec", "storageClassName") or _default_class(cluster.objects)
    modes = dig(claim, "spec", "accessModes", default=[])
    known = cluster.objects.get("StorageClass", "", name or "")
    if known is None:
        reason = f'storageclass.storage.k8s.io "{name}" not found'
    elif not set(modes) <= set(storage.get(name or "", ())):
        reason = (
            f'failed to provision volume with StorageClass "{name}": '
            f"unsupported access mode {', '.join(modes)}"
        )
    else:
        return ""
    events.append(
        Event(at=cluster.world.now, ref=ref_of(claim), type="Warning", reason="ProvisioningFailed",
              message=reason, count=31, source="persistentvolume-controller")
    )  # fmt: skip
    return reason


def _default_class(objects: Objects) -> str:
    key = "storageclass.kubernetes.io/is-default-class"
    return next(
        (
            str(one["metadata"]["name"])
            for one in objects.of("StorageClass")
            if strings(one, "metadata", "annotations").get(key) == "true"
        ),
        "",
    )


def _hash(value: Any, length: int) -> str:
    number = int.from_bytes(hashlib.sha256(canonical_json(value).encode()).digest()[:12])
    text = ""
    for _ in range(length):
        number, rest = divmod(number, len(_LETTERS))
        text += _LETTERS[rest]
    return text


def _address(name: str) -> str:
    digest = hashlib.sha256(name.encode()).digest()
    return f"10.{64 + digest[0] % 32}.{digest[1]}.{1 + digest[2] % 254}"
