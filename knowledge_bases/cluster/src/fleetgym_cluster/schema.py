"""Manifests held to the schemas of Kubernetes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import kubernetes_validate
import yaml

from fleetgym.contracts.errors import ToolError
from fleetgym_cluster.kinds import KINDS
from fleetgym_cluster.objects import dig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym_cluster.objects import Manifest

__all__ = ["VERSION", "check_manifest", "read_manifests"]

VERSION = "1.37"
"""Of Kubernetes, whose schemas hold."""

_MOST = 200
_SHOWN = 300


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
