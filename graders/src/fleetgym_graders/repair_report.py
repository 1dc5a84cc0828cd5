"""The form of a cluster's repair: what was wrong, and the changes that mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetgym_cluster.toolset import changes_schema
from fleetgym_graders.form import Form

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["CAUSES", "REPAIR_SCHEMA", "read_repair"]

CAUSES = {
    "bad_arguments": "the program does not know one of its arguments",
    "image_not_found": "the image's tag is not in its registry",
    "image_pull_denied": "the registry wants credentials that pods do not bring",
    "insufficient_resources": "pods ask for more than any node has",
    "liveness_probe": "the liveness probe ends a program that is well",
    "missing_config": "a setting comes from a key that its ConfigMap does not have",
    "missing_secret": "a volume is of a Secret that does not exist",
    "network_policy": "a NetworkPolicy keeps a caller out that it is there to let in",
    "node_pressure": "pods take more memory than their node has, and are evicted",
    "node_selector": "no node has the labels that pods want",
    "node_unavailable": "the nodes that pods want are cordoned though nobody works on them",
    "out_of_memory": "the memory limit is below what the program needs",
    "quota_exceeded": "pods ask for more than the namespace's quota has left",
    "rbac_denied": "a program may not ask the Kubernetes API for what it needs",
    "readiness_probe": "the readiness probe asks where nobody answers",
    "security_context": "the security context forbids what the image does",
    "service_account": "pods run under a service account that does not exist",
    "service_port": "a Service leads to a port that nobody serves",
    "service_selector": "a Service's selector does not choose its pods",
    "untolerated_taint": "pods do not tolerate the taint of the nodes that they want",
    "volume_claim": "a claim asks for what no storage class provides",
    "wrong_address": "a ConfigMap has a wrong address for a service",
}
"""What a finding may name as its cause."""

_NAME = {"type": "string", "minLength": 1, "maxLength": 253}
REPAIR_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "findings": {
            "type": "array",
            "minItems": 1,
            "maxItems": 5,
            "description": "One for each thing that is wrong: the object to put right, and why.",
            "items": {
                "type": "object",
                "properties": {
                    "kind": {**_NAME, "description": "For example Deployment."},
                    "namespace": {
                        "type": "string",
                        "maxLength": 63,
                        "description": "Empty for what belongs to none, such as a Node.",
                    },
                    "name": _NAME,
                    "cause": {"enum": sorted(CAUSES)},
                    "explanation": {"type": "string", "maxLength": 2000},
                },
                "required": ["kind", "namespace", "name", "cause"],
                "additionalProperties": False,
            },
        },
        "changes": changes_schema(),
    },
    "required": ["findings", "changes"],
    "additionalProperties": False,
}
"""JSON Schema of the artifact."""

_FORM = Form(REPAIR_SCHEMA)


def read_repair(answer: str) -> dict[str, Any]:
    """Return the repair in an answer.

    Raises:
        ToolError: It does not fit :data:`REPAIR_SCHEMA`.
    """
    return _FORM.read(answer)
