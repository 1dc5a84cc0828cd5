"""Changing a cluster's objects as `kubectl apply`, `patch` and `delete` do."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import jsonpatch
from jsonpointer import JsonPointerException

from fleetgym.contracts.errors import ToolError, did_you_mean
from fleetgym_cluster.kinds import find_kind
from fleetgym_cluster.objects import Manifest, Objects, Ref, dig, ref_of
from fleetgym_cluster.schema import check_manifest, cleaned, read_manifests
from fleetgym_cluster.world import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Changed", "apply_changes", "differences", "named"]

_LIST_KEYS = {
    "containers": "name", "initContainers": "name", "env": "name", "volumes": "name",
    "volumeMounts": "mountPath", "imagePullSecrets": "name", "secrets": "name",
    "topologySpreadConstraints": "topologyKey", "hostAliases": "ip",
}  # fmt: skip
"""Keys by which a strategic merge patch tells the entries of a list; other lists are replaced."""

_PORT_KEYS = ("containerPort", "port")
_FIXED = {
    "Deployment": (("spec", "selector"),),
    "StatefulSet": (
        ("spec", "selector"), ("spec", "serviceName"), ("spec", "volumeClaimTemplates"),
    ),
    "DaemonSet": (("spec", "selector"),),
    "RoleBinding": (("roleRef",),),
    "ClusterRoleBinding": (("roleRef",),),
    "PersistentVolumeClaim": (
        ("spec", "storageClassName"), ("spec", "accessModes"), ("spec", "volumeName"),
    ),
    "StorageClass": (("parameters",), ("provisioner",)),
    "Service": (("spec", "clusterIP"),),
}  # fmt: skip
"""Fields that Kubernetes does not let change; the object has to be made anew."""

_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")


@dataclass(frozen=True, slots=True)
class Changed:
    """What a list of changes made of a cluster."""

    cluster: Cluster
    touched: Sequence[Ref]
    """Objects that are other than before, in the order of their first change."""

    deleted: Sequence[Ref]
    """Those that were deleted, made again or not."""


def apply_changes(cluster: Cluster, changes: Iterable[Mapping[str, Any]]) -> Changed:
    """Return the cluster after changes; the one given stays as it is.

    Args:
        cluster: As it is.
        changes: Objects with ``action``: ``apply`` (with ``manifest``: YAML text of one or several
            objects in full), ``patch`` (``kind``, ``namespace``, ``name``, ``type``: ``strategic``,
            ``merge`` or ``json``, and ``patch``) or ``delete``.

    Raises:
        ToolError: A change is not possible; the text says which, and why.
    """
    objects = cluster.objects.copy()
    deleted: list[Ref] = []
    for number, change in enumerate(changes, 1):
        try:
            deleted += _change(objects, change)
        except ToolError as error:
            raise ToolError(f"Change {number}: {error}") from None
    touched = [
        ref
        for ref in dict.fromkeys([*cluster.objects, *objects])
        if ref not in objects
        or ref not in cluster.objects
        or objects[ref] != cluster.objects[ref]
        or ref in deleted
    ]
    return Changed(Cluster(objects=objects, world=cluster.world), touched, deleted)


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Return the paths at which two manifests differ, each with what was and what is."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        left, right = cast("Mapping[str, Any]", before), cast("Mapping[str, Any]", after)
        return [
            line
            for key in dict.fromkeys([*left, *right])
            for line in differences(left.get(key), right.get(key), f"{path}.{key}")
        ]
    if isinstance(before, list) and isinstance(after, list):
        old, new = cast("list[Any]", before), cast("list[Any]", after)
        if len(old) == len(new):
            return [
                line
                for index, (one, other) in enumerate(zip(old, new, strict=True))
                for line in differences(one, other, f"{path}[{index}]")
            ]
    return [] if before == after else [f"{path.lstrip('.')}: {before!r} -> {after!r}"]


def _change(objects: Objects, change: Mapping[str, Any]) -> list[Ref]:
    """Make one change; return what it deleted."""
    if change["action"] == "apply":
        for manifest in read_manifests(str(change["manifest"])):
            _put(objects, manifest)
        return []
    ref = named(objects, change["kind"], change.get("namespace", ""), change["name"])
    if change["action"] == "delete":
        objects.remove(ref)
        return [ref]
    _put(objects, _patched(objects[ref], change.get("type", "strategic"), change["patch"]))
    return []


def named(objects: Objects, kind: str, namespace: str, name: str) -> Ref:
    """Return an object that is there and can be changed.

    Raises:
        ToolError: There is none.
    """
    known = find_kind(kind)
    if known.derived:
        raise ToolError(f"{known.plural} are made by a controller; change their owner.")
    ref = Ref(known.name, (namespace or "default") if known.namespaced else "", name)
    if ref not in objects:
        there = [r.name for r in objects if (r.kind, r.namespace) == (ref.kind, ref.namespace)]
        elsewhere = [r.namespace for r in objects if (r.kind, r.name) == (ref.kind, name)]
        hint = did_you_mean(name, there)
        if elsewhere:
            hint = f"One is in the namespace {elsewhere[0]!r}."
        raise ToolError(f'{known.plural} "{name}" not found in {ref.namespace!r}. {hint}'.rstrip())
    return ref


def _put(objects: Objects, manifest: Manifest) -> None:
    """Put a manifest in the place of the one before, if the API server would.

    Raises:
        ToolError: It does not fit its schema, its namespace, or a field that cannot change.
    """
    manifest = cleaned(manifest)
    check_manifest(manifest)
    ref = ref_of(manifest)
    if ref.namespace and objects.get("Namespace", "", ref.namespace) is None:
        raise ToolError(f'{ref}: namespaces "{ref.namespace}" not found.')
    before = objects.get(ref.kind, ref.namespace, ref.name)
    for path in _FIXED.get(ref.kind, ()) if before is not None else ():
        if dig(manifest, *path) != dig(before, *path):
            raise ToolError(
                f"{ref}: {'.'.join(path)} is immutable. Delete the object and apply it anew, "
                "if what it holds may be lost."
            )
    if ref.kind in _WORKLOADS:
        wanted = dig(manifest, "spec", "selector", "matchLabels", default={})
        labels = dig(manifest, "spec", "template", "metadata", "labels", default={})
        if not wanted.items() <= labels.items():
            raise ToolError(f"{ref}: spec.selector does not match the labels of its template.")
    if before is not None:
        kept = {**dig(before, "metadata"), **dig(manifest, "metadata")}
        manifest = {**manifest, "metadata": kept}
    for part, given in (("creationTimestamp", dig(manifest, "metadata")), ("status", manifest)):
        given.pop(part, None)  # the API server's own
        was = dig(before, *(("metadata",) if part != "status" else ()), part)
        if was is not None:
            given[part] = was
    objects.put(manifest)


def _patched(manifest: Manifest, form: str, patch: Any) -> Manifest:
    manifest = copy.deepcopy(manifest)
    if form == "json":
        try:
            result: Any = jsonpatch.apply_patch(manifest, patch)  # pyright: ignore[reportUnknownMemberType]
        except (
            jsonpatch.JsonPatchException,
            JsonPointerException,
            TypeError,
            ValueError,
            KeyError,
        ) as error:
            raise ToolError(f"The JSON patch does not apply: {error}.") from None
    elif not isinstance(patch, Mapping):
        raise ToolError(f"A {form} patch is an object, as in a manifest.")
    else:
        result = _merged(manifest, cast("Mapping[str, Any]", patch), strategic=form == "strategic")
    if not isinstance(result, dict):
        raise ToolError("The patch leaves no object.")
    changed = cast("Manifest", result)
    same = ("apiVersion", "kind"), ("metadata", "name"), ("metadata", "namespace")
    if any(
        dig(changed, *path) != dig(manifest, *path)
        for path in (("apiVersion",), ("kind",), *same[1:])
    ):
        raise ToolError("A patch cannot change apiVersion, kind, name or namespace.")
    return changed


def _merged(value: Any, patch: Mapping[str, Any], *, strategic: bool) -> dict[str, Any]:
    """Return a merge patch of RFC 7386, or with lists told apart by key as Kubernetes does."""
    merged = dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else {}
    for key, new in patch.items():
        if strategic and key == "$patch":
            if new == "replace":
                merged = {}
            continue
        old = merged.get(key)
        if new is None:
            merged.pop(key, None)
        elif isinstance(new, Mapping):
            merged[key] = _merged(old, cast("Mapping[str, Any]", new), strategic=strategic)
        elif strategic and isinstance(new, list) and isinstance(old, list):
            merged[key] = _merged_list(key, cast("list[Any]", old), cast("list[Any]", new))
        else:
            merged[key] = new
    return merged


def _merged_list(name: str, old: list[Any], new: list[Any]) -> list[Any]:
    if {"$patch": "replace"} in new:
        return [entry for entry in new if entry != {"$patch": "replace"}]
    entries = [cast("Mapping[str, Any]", e) for e in (*old, *new) if isinstance(e, Mapping)]
    key = _LIST_KEYS.get(name)
    if name == "ports":
        key = next((one for one in _PORT_KEYS if any(one in entry for entry in entries)), None)
    if key is None or len(entries) < len(old) + len(new) or any(key not in e for e in entries):
        return new
    merged = list(old)
    for entry in new:
        place = next((i for i, one in enumerate(merged) if one[key] == entry[key]), None)
        if entry.get("$patch") == "delete":
            if place is not None:
                del merged[place]
        elif place is None:
            merged.append(entry)
        else:
            merged[place] = _merged(merged[place], entry, strategic=True)
    return merged
