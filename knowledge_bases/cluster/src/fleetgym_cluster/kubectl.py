"""The functions behind the cluster's tools."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

import yaml

from fleetgym.contracts.errors import ToolError, did_you_mean
from fleetgym_cluster.changes import apply_changes, differences
from fleetgym_cluster.describe import describe, shown
from fleetgym_cluster.kinds import WORKLOADS, find_kind
from fleetgym_cluster.objects import Manifest, Ref, dig, ref_of, strings
from fleetgym_cluster.posture import health, posture
from fleetgym_cluster.rbac import allowed
from fleetgym_cluster.reconcile import reconcile
from fleetgym_cluster.selectors import matches, parse_selector
from fleetgym_cluster.tables import (
    endpoints_manifest,
    event_rows,
    get_rows,
    pod_manifest,
    replica_set_manifest,
    table,
    top_rows,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetgym_cluster.reconcile import State
    from fleetgym_cluster.world import Cluster

__all__ = ["UNSETTLED", "Kubectl"]

UNSETTLED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What the reconciler ends with for what schemas let through and no controller understands."""

_NOTHING = "No resources found."


class Kubectl:
    """Answers about one cluster, which no call changes."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    @cached_property
    def _state(self) -> State:
        """What the cluster settles in; the first call that asks for it waits, not the opening."""
        return reconcile(self._cluster)

    def get(
        self,
        kind: str,
        name: str = "",
        namespace: str = "",
        selector: str = "",
        output: str = "table",
    ) -> str:
        """List objects of a kind, or return one."""
        known = find_kind(kind)
        self._check_namespace(namespace)
        if known.name == "Event":
            return self.events(namespace)
        found = self._manifests(known.name, namespace)
        if selector:
            wanted = parse_selector(selector)
            found = [m for m in found if matches(wanted, strings(m, "metadata", "labels"))]
        if name:
            found = [self._one(known.name, namespace, name)]
        if not found:
            return _NOTHING
        match output:
            case "name":
                return "\n".join(_short(manifest) for manifest in found)
            case "json" | "yaml":
                kept = [shown(manifest) for manifest in found]
                body: Any = kept[0] if name else {"apiVersion": "v1", "kind": "List", "items": kept}
                if output == "json":
                    return json.dumps(body, indent=1)
                return yaml.safe_dump(body, sort_keys=False, width=100)
            case _:
                return table(*get_rows(self._state, known.name, found))

    def describe(self, kind: str, name: str, namespace: str = "") -> str:
        """Describe one object."""
        known = find_kind(kind)
        self._check_namespace(namespace)
        return describe(self._state, self._one(known.name, namespace, name))

    def logs(
        self,
        pod: str,
        namespace: str,
        container: str = "",
        previous: bool = False,
        tail: int = 50,
    ) -> str:
        """Return the newest lines of a container's log."""
        self._check_namespace(namespace)
        self._one("Pod", namespace, pod)
        found = next(p for p in self._state.pods if (p.namespace, p.name) == (namespace, pod))
        if not found.containers:
            raise ToolError(f'container in pod "{pod}" is waiting to start: {found.status}')
        names = [one.name for one in found.containers]
        if container and container not in names:
            hint = did_you_mean(container, names) or f"There are: {', '.join(names)}."
            raise ToolError(f"container {container} is not valid for pod {pod}. {hint}")
        chosen = found.containers[names.index(container) if container else 0]
        if chosen.program is None or chosen.reason == "CreateContainerConfigError":
            raise ToolError(
                f'container "{chosen.name}" in pod "{pod}" is waiting to start: {chosen.reason}'
            )
        if previous and not chosen.restarts:
            raise ToolError(
                f'previous terminated container "{chosen.name}" in pod "{pod}" not found'
            )
        return "\n".join((chosen.previous if previous else chosen.logs)[-tail:])

    def events(self, namespace: str = "", type: str = "") -> str:  # noqa: A002 - as kubectl has it
        """List the events that are kept."""
        self._check_namespace(namespace)
        rows = event_rows(self._state, namespace or None)
        rows = [row for row in rows if type in ("", row[1])]
        header = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
        if not namespace:
            header.insert(4, "NAMESPACE")
        return table(header, rows) if rows else _NOTHING

    def top(self, kind: str, namespace: str = "") -> str:
        """Show what nodes or pods use."""
        self._check_namespace(namespace)
        return table(*top_rows(self._state, find_kind(kind).name, namespace or None))

    def rollout_history(
        self, kind: str, name: str, namespace: str, revision: int | None = None
    ) -> str:
        """List a workload's revisions, or show one."""
        known = find_kind(kind)
        if known.name not in WORKLOADS:
            raise ToolError(
                f"{known.plural} have no rollouts; workloads are {', '.join(WORKLOADS)}."
            )
        ref = ref_of(self._one(known.name, namespace, name))
        history = self._cluster.world.history.get(str(ref), ())
        if revision is None:
            rows = [[str(one.number), f"{one.at:%Y-%m-%dT%H:%MZ}", one.cause] for one in history]
            return table(["REVISION", "ROLLED OUT", "CHANGE-CAUSE"], rows) if rows else _NOTHING
        for one in history:
            if one.number == revision:
                return yaml.safe_dump({"template": one.template}, sort_keys=False, width=100)
        known_ones = ", ".join(str(one.number) for one in history)
        raise ToolError(
            f"unable to find the specified revision {revision}; there are {known_ones}."
        )

    def auth_can_i(self, verb: str, resource: str, service_account: str, namespace: str) -> str:
        """Say whether a service account may do something."""
        self._check_namespace(namespace)
        self._one("ServiceAccount", namespace, service_account)
        account = (namespace, service_account)
        plural = find_kind(resource).plural
        return "yes" if allowed(self._state.objects, account, verb, plural, namespace) else "no"

    def diff(self, changes: Sequence[dict[str, Any]]) -> str:
        """Say what changes would differ in, or raise why they are refused."""
        changed = apply_changes(self._cluster, changes)
        lines: list[str] = []
        for ref in changed.touched:
            before, after = (
                objects.get(ref.kind, ref.namespace, ref.name)
                for objects in (self._cluster.objects, changed.cluster.objects)
            )
            if after is None:
                lines.append(f"{ref}: deleted")
            elif before is None:
                lines.append(f"{ref}: created")
            else:
                again = " (deleted and made again)" if ref in changed.deleted else ""
                lines.append(f"{ref}{again}")
                lines += [f"  {line}" for line in differences(before, after)]
        return "\n".join(lines) if lines else "No differences: the cluster has it so already."

    def grade_changes(self, changes: Sequence[dict[str, Any]]) -> str:
        """Make changes and say what came of it, as JSON."""
        try:
            changed = apply_changes(self._cluster, changes)
            state, bound = reconcile(changed.cluster), self._state.bound
        except ToolError as error:
            return json.dumps({"ok": False, "error": str(error)[:500]})
        except UNSETTLED as error:
            told = f"The cluster does not settle with these changes: {error!r}"
            return json.dumps({"ok": False, "error": told[:500]})
        deleted = changed.deleted
        return json.dumps(
            {
                "ok": True,
                "before": health(self._state),
                "after": health(state),
                "posture": posture(state),
                "touched": [str(ref) for ref in changed.touched],
                "deleted": [str(ref) for ref in deleted],
                "gone": [str(ref) for ref in deleted if ref not in changed.cluster.objects],
                "bound": [str(ref) for ref in deleted if bound.get((ref.namespace, ref.name))],
            }
        )

    def _manifests(self, kind: str, namespace: str) -> list[Manifest]:
        state = self._state
        match kind:
            case "Pod":
                found = [pod_manifest(pod) for pod in state.pods]
            case "ReplicaSet":
                found = [replica_set_manifest(state, one) for one in state.replica_sets]
            case "Endpoints":
                found = [endpoints_manifest(state, one) for one in state.objects.of("Service")]
            case _:
                found = state.objects.of(kind)
        if not find_kind(kind).namespaced:
            return found
        return [m for m in found if namespace in ("", dig(m, "metadata", "namespace"))]

    def _one(self, kind: str, namespace: str, name: str) -> Manifest:
        everywhere = [m for m in self._manifests(kind, "") if m["metadata"]["name"] == name]
        here = [m for m in everywhere if ref_of(m).namespace in ("", namespace)]
        if here:
            return here[0]
        if everywhere and not namespace and len(everywhere) == 1:
            return everywhere[0]
        plural = find_kind(kind).plural
        if everywhere:
            places = ", ".join(sorted(ref_of(m).namespace for m in everywhere))
            raise ToolError(f'{plural} "{name}" not found in {namespace!r}; it is in: {places}.')
        known = [str(m["metadata"]["name"]) for m in self._manifests(kind, namespace)]
        hint = did_you_mean(name, known) or f"`kubectl_get` with kind {plural} lists them."
        raise ToolError(f'{plural} "{name}" not found. {hint}')

    def _check_namespace(self, namespace: str) -> None:
        if namespace and self._state.objects.get("Namespace", "", namespace) is None:
            known = [str(m["metadata"]["name"]) for m in self._state.objects.of("Namespace")]
            hint = did_you_mean(namespace, known) or f"There are: {', '.join(known)}."
            raise ToolError(f'namespaces "{namespace}" not found. {hint}')


def _short(manifest: Manifest) -> str:
    ref: Ref = ref_of(manifest)
    place = f"{ref.namespace}/" if ref.namespace else ""
    return f"{place}{ref.kind.lower()}/{ref.name}"
