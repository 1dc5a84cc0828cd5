"""Manifests, and where to find each of them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from fleetgym_cluster.kinds import KINDS

__all__ = ["Manifest", "Objects", "Ref", "dig", "items", "ref_of", "strings"]

Manifest: TypeAlias = "dict[str, Any]"
"""An object as Kubernetes writes it, in JSON's types."""


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Which object."""

    kind: str
    namespace: str
    """Empty for what belongs to no namespace."""

    name: str

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {place}"


def dig(value: Any, *path: str | int, default: Any = None) -> Any:
    """Return what lies in nested objects and arrays; ``default`` where nothing does."""
    for key in path:
        if isinstance(value, Mapping) and isinstance(key, str):
            value = cast("Mapping[str, Any]", value).get(key)
        elif isinstance(value, list) and isinstance(key, int) and -1 <= key < len(value):  # pyright: ignore[reportUnknownArgumentType]
            value = cast("list[Any]", value)[key] if value else None
        else:
            return default
    return default if value is None else value


def items(value: Any, *path: str | int) -> list[Manifest]:
    """Return the objects of a nested array; none where there is none."""
    found = dig(value, *path, default=[])
    if not isinstance(found, list):
        return []
    return [entry for entry in cast("list[Any]", found) if isinstance(entry, dict)]


def strings(value: Any, *path: str | int) -> dict[str, str]:
    """Return a nested object of texts, such as labels; an empty one where there is none."""
    found = dig(value, *path, default={})
    return (
        {str(key): str(one) for key, one in cast("Mapping[Any, Any]", found).items()}
        if isinstance(found, Mapping)
        else {}
    )


def ref_of(manifest: Mapping[str, Any]) -> Ref:
    """Return which object a manifest describes; without a namespace, it is in ``default``."""
    kind = str(manifest["kind"])
    namespaced = kind not in KINDS or KINDS[kind].namespaced
    namespace = dig(manifest, "metadata", "namespace", default="default") if namespaced else ""
    return Ref(kind, str(namespace), str(manifest["metadata"]["name"]))


class Objects:
    """Manifests by what they describe, in the order in which they came."""

    def __init__(self, manifests: Iterable[Manifest] = ()) -> None:
        self._by_ref = {ref_of(manifest): manifest for manifest in manifests}

    def __iter__(self) -> Iterator[Ref]:
        return iter(self._by_ref)

    def __contains__(self, ref: Ref) -> bool:
        return ref in self._by_ref

    def __getitem__(self, ref: Ref) -> Manifest:
        return self._by_ref[ref]

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """Return one manifest; None when there is none."""
        return self._by_ref.get(Ref(kind, namespace, name))

    def of(self, kind: str, namespace: str | None = None) -> list[Manifest]:
        """Return the manifests of a kind, in one namespace or in all."""
        return [
            manifest
            for ref, manifest in self._by_ref.items()
            if ref.kind == kind and namespace in (None, ref.namespace)
        ]

    def put(self, manifest: Manifest) -> None:
        """Add a manifest, or replace the one of the same object."""
        self._by_ref[ref_of(manifest)] = manifest

    def remove(self, ref: Ref) -> None:
        """Take one away."""
        del self._by_ref[ref]

    def manifests(self) -> list[Manifest]:
        """Return all."""
        return list(self._by_ref.values())

    def copy(self) -> Objects:
        """Return a copy that shares nothing."""
        return Objects(copy.deepcopy(self.manifests()))
