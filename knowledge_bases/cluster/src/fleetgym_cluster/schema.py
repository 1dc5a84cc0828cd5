"""Manifests held to the schemas of Kubernetes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import kubernetes_validate
import yaml

from fleetgym.contracts.errors import ToolError
from fleetgym_cluster.kinds import KINDS
from fleetgym_cluster.objects import dig
from fleetgym_cluster.quantity import amount

if TYPE_CHECKING:
    from fleetgym_cluster.objects import Manifest

__all__ = ["VERSION", "check_manifest", "cleaned", "read_manifests"]

VERSION = "1.37"
"""Of Kubernetes, whose schemas hold."""

_MOST = 200
_SHOWN = 300
_MOST_REPLICAS = 500
_AMOUNTS = (
    "requests", "limits", "hard", "max", "min", "default", "defaultRequest", "allocatable",
    "capacity",
)  # fmt: skip
"""Fields whose values are quantities, which the schemas take for any text."""


def check_manifest(manifest: Mapping[str, Any]) -> None:
    """Hold one manifest to the schema of its kind; unknown fields are errors.

    Raises:
        ToolError: It does not fit; the text says where.
    """
    kind, name = dig(manifest, "kind"), dig(manifest, "metadata", "name")
    if not isinstance(kind, str) or not isinstance(name, str) or not name:
        raise ToolError("A manifest needs `apiVersion`, `kind` and `metadata.name`.")
    known = KINDS.get(kind)
    if known is None or known.derived:
        made = "made by a controller; change its owner" if known else "not a kind of this cluster"
        raise ToolError(f"{kind} {name}: {kind} is {made}. Kinds: {', '.join(_changeable())}.")
    if manifest.get("apiVersion") != known.api:
        raise ToolError(f"{kind} {name}: its apiVersion here is {known.api!r}.")
    try:
        kubernetes_validate.validate(dict(manifest), VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        path = ".".join(str(part) for part in error.absolute_path)
        raise ToolError(f"{kind} {name}: {path or 'manifest'}: {error.message[:_SHOWN]}.") from None
    replicas = dig(manifest, "spec", "replicas")
    if isinstance(replicas, int) and not 0 <= replicas <= _MOST_REPLICAS:
        raise ToolError(f"{kind} {name}: spec.replicas must be 0 to {_MOST_REPLICAS} here.")
    try:
        _check_amounts(manifest)
    except ToolError as error:
        raise ToolError(f"{kind} {name}: {error}") from None


def cleaned(manifest: Manifest) -> Manifest:
    """Return a manifest as the API server keeps it: what is null is not there.

    Raises:
        ToolError: It holds a text that cannot be encoded, or is nested too deeply.
    """
    try:
        json.dumps(manifest, ensure_ascii=False).encode()
        return _without_nulls(manifest)
    except (UnicodeEncodeError, RecursionError, TypeError, ValueError) as error:
        raise ToolError(f"The manifest cannot be kept: {str(error)[:_SHOWN]}.") from None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {key: _without_nulls(one) for key, one in fields.items() if one is not None}
    if isinstance(value, list):
        return [_without_nulls(one) for one in cast("list[Any]", value) if one is not None]
    return value


def _check_amounts(value: Any, name: str = "") -> None:
    """Hold quantities to what they may be."""
    if isinstance(value, list):
        for one in cast("list[Any]", value):
            _check_amounts(one)
    elif isinstance(value, Mapping):
        for key, one in cast("Mapping[str, Any]", value).items():
            if name in _AMOUNTS and amount(one) < 0:
                raise ToolError(f"{name}.{key} must not be below 0.")
            _check_amounts(one, key)


def read_manifests(text: str) -> list[Manifest]:
    """Return the manifests of a YAML text, several documents or lists, each fitting its schema.

    Raises:
        ToolError: It is no YAML, or a manifest does not fit.
    """
    try:
        documents = list(yaml.safe_load_all(text))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ToolError(f"The manifests are no YAML: {str(error)[:_SHOWN]}.") from None
    found: list[Manifest] = []
    for document in documents:
        if not isinstance(document, dict):
            if document is None:
                continue
            raise ToolError("Each YAML document must be one manifest, an object.")
        one = cast("Manifest", document)
        listed = one.get("items") if one.get("kind") == "List" else [one]
        found += cast("list[Manifest]", listed if isinstance(listed, list) else [])
    if not found or len(found) > _MOST:
        raise ToolError(f"Give 1 to {_MOST} manifests, not {len(found)}.")
    for manifest in found:
        check_manifest(manifest)
    return found


def _changeable() -> list[str]:
    return sorted(kind.name for kind in KINDS.values() if not kind.derived)
