"""The tools of the simulated cluster, with kubectl's words; they run in the sandbox.

Importing this module is cheap; what simulates is imported when the toolset is opened.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import SandboxError, ToolError
from fleetgym.contracts.tools import ToolSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fleetgym.contracts.sandbox import Limits, ToolFunction
    from fleetgym_cluster.world import Cluster

__all__ = [
    "CLUSTER",
    "HIDDEN",
    "PRELOAD",
    "SCOPES",
    "SPECS",
    "changes_schema",
    "open_toolset",
    "read_cluster",
]

CLUSTER = "cluster.json"
"""The file, in the mount ``data``: a cluster as ``Cluster.to_json`` wrote it."""

HIDDEN = frozenset({"grade_changes"})
PRELOAD = ("fleetgym_cluster.kubectl",)
SCOPES = ("cluster:read",)


def _schema(required: Sequence[str] = (), **properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _text(description: str) -> Mapping[str, Any]:
    return {"type": "string", "description": description}


_NAMESPACE = _text("The namespace; of all namespaces when it is left out.")
_OWN = _text("The namespace; left out for what belongs to none.")


def changes_schema() -> dict[str, Any]:
    """Return the schema of a list of changes, as the tools and the graders take it."""
    return {
        "type": "array",
        "minItems": 1,
        "maxItems": 20,
        "description": "Changes to objects, made in this order.",
        "items": {
            "oneOf": [
                {
                    "type": "object",
                    "properties": {
                        "action": {"const": "patch"},
                        "kind": {"type": "string", "maxLength": 60},
                        "namespace": {"type": "string", "maxLength": 63},
                        "name": {"type": "string", "maxLength": 253},
                        "type": {"enum": ["strategic", "merge", "json"], "default": "strategic"},
                        "patch": {
                            "type": ["object", "array"],
                            "description": "As `kubectl patch --type` takes it.",
                        },
                    },
                    "required": ["action", "kind", "name", "patch"],
                    "additionalProperties": False,
                },
                {
                    "type": "object",
                    "properties": {
                        "action": {"const": "apply"},
                        "manifest": {
                            "type": "string",
                            "maxLength": 60000,
                            "description": "Objects in full, as YAML.",
                        },
                    },
                    "required": ["action", "manifest"],
                    "additionalProperties": False,
                },
                {
                    "type": "object",
                    "properties": {
                        "action": {"const": "delete"},
                        "kind": {"type": "string", "maxLength": 60},
                        "namespace": {"type": "string", "maxLength": 63},
                        "name": {"type": "string", "maxLength": 253},
                    },
                    "required": ["action", "kind", "name"],
                    "additionalProperties": False,
                },
            ]
        },
    }


SPECS = (
    ToolSpec(
        name="kubectl_get",
        description="List objects of a kind, or return one, as `kubectl get` does: pods, "
        "deployments, services, endpoints, configmaps, nodes, resourcequotas, networkpolicies, "
        "roles and so on. `output` is `table` (default), `yaml`, `json` or `name`.",
        parameters=_schema(
            ["kind"],
            kind=_text("For example pods, deploy or pvc."),
            name=_text("One object; all when it is left out."),
            namespace=_NAMESPACE,
            selector=_text("Labels, for example app=cart,tier!=db."),
            output={
                "type": "string",
                "enum": ["table", "yaml", "json", "name"],
                "default": "table",
            },
        ),
    ),
    ToolSpec(
        name="kubectl_describe",
        description="Describe one object: what it is, what became of it, its events of the last "
        "hour. Values of secrets are hidden.",
        parameters=_schema(
            ["kind", "name"],
            kind=_text("For example pod."),
            name=_text("Its name."),
            namespace=_OWN,
        ),
    ),
    ToolSpec(
        name="kubectl_logs",
        description="Return the newest lines of a container's log.",
        parameters=_schema(
            ["pod", "namespace"],
            pod=_text("The pod's name."),
            namespace=_text("Its namespace."),
            container=_text("Which container; the first when it is left out."),
            previous={
                "type": "boolean",
                "default": False,
                "description": "Of the container before its last restart.",
            },
            tail={"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
        ),
    ),
    ToolSpec(
        name="kubectl_events",
        description="List the events of the last hour, oldest first.",
        parameters=_schema(
            namespace=_NAMESPACE,
            type={"type": "string", "enum": ["Normal", "Warning"], "description": "Only these."},
        ),
    ),
    ToolSpec(
        name="kubectl_top",
        description="Show what nodes or pods use of CPU and memory.",
        parameters=_schema(
            ["kind"], kind={"type": "string", "enum": ["nodes", "pods"]}, namespace=_NAMESPACE
        ),
    ),
    ToolSpec(
        name="kubectl_rollout_history",
        description="List the revisions of a workload, or show the pod template of one.",
        parameters=_schema(
            ["kind", "name", "namespace"],
            kind=_text("deployment, statefulset or daemonset."),
            name=_text("Its name."),
            namespace=_text("Its namespace."),
            revision={"type": "integer", "minimum": 1, "description": "Show this one in full."},
        ),
    ),
    ToolSpec(
        name="kubectl_auth_can_i",
        description="Say whether a service account may use a verb on a resource.",
        parameters=_schema(
            ["verb", "resource", "service_account", "namespace"],
            verb=_text("For example list."),
            resource=_text("Plural, for example configmaps."),
            service_account=_text("Its name."),
            namespace=_text("The namespace of both."),
        ),
    ),
    ToolSpec(
        name="kubectl_diff",
        description="Check changes against the API server without making them (a dry run): says "
        "what would differ, or why a change is refused. Does not say what would come of it.",
        parameters=_schema(["changes"], changes=changes_schema()),
    ),
    ToolSpec(
        name="grade_changes",
        description="Make changes, let the cluster settle, and say what came of it.",
        parameters=_schema(["changes"], changes=changes_schema()),
    ),
)


def open_toolset(mounts: Mapping[str, Path], limits: Limits) -> Mapping[str, ToolFunction]:
    """Read the cluster of one instance and return its tools.

    Raises:
        SandboxError: The mount holds no cluster.
    """
    del limits
    from fleetgym_cluster.kubectl import Kubectl  # noqa: PLC0415 - of no use to SPECS

    kubectl = Kubectl(read_cluster(mounts["data"]))
    return {spec.name: getattr(kubectl, spec.name.removeprefix("kubectl_")) for spec in SPECS}


def read_cluster(directory: Path) -> Cluster:
    """Return the cluster in a directory.

    Raises:
        SandboxError: There is none.
    """
    from fleetgym_cluster.world import Cluster  # noqa: PLC0415 - of no use to SPECS

    path = directory / CLUSTER
    if not path.is_file():
        raise SandboxError(f"{directory.name!r} holds no {CLUSTER}.")
    try:
        return Cluster.from_json(json.loads(path.read_text("utf-8")))
    except ToolError as error:
        raise SandboxError(f"{CLUSTER} holds no cluster: {error}") from error
