"""What every part of the work needs: asking the cluster, and reading what it says."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from fleetgym.contracts.errors import PlanLost
from fleetgym.contracts.policy import ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.policy import Moves

__all__ = [
    "Finding",
    "Object",
    "Repair",
    "View",
    "container_of",
    "get",
    "is_ready",
    "label",
    "previous_template",
    "rows",
]

Object: TypeAlias = "dict[str, Any]"
"""A manifest as the cluster shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong, and the changes that put it right."""

    kind: str
    namespace: str
    name: str
    cause: str
    explanation: str
    changes: tuple[Mapping[str, Any], ...]


@dataclass(slots=True)
class Repair:
    """Findings in the making, each object once."""

    findings: dict[tuple[str, str, str], Finding] = field(
        default_factory=dict[tuple[str, str, str], Finding]
    )

    def add(self, finding: Finding) -> None:
        """Add a finding."""
        self.findings.setdefault((finding.kind, finding.namespace, finding.name), finding)


def get(kind: str, name: str, namespace: str = "") -> Moves[Object]:
    """Return one object."""
    place = {"namespace": namespace} if namespace else {}
    text = yield from ask("kubectl_get", kind=kind, name=name, output="json", **place)
    return json.loads(text)


class View:
    """Lists of objects, each asked for once: nothing that the tools show ever changes.

    Long answers are cut, so lists are asked for by namespace and label.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], list[Object]] = {}

    def listed(
        self, kind: str, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> Moves[list[Object]]:
        """Return the objects of a kind, in one namespace or in all, with these labels."""
        selector = ",".join(f"{key}={value}" for key, value in (labels or {}).items())
        key = kind, namespace, selector
        if key not in self._known:
            asked = {"namespace": namespace, "selector": selector}
            given = {name: value for name, value in asked.items() if value}
            text = yield from ask("kubectl_get", kind=kind, output="json", **given)
            found: list[Object] = json.loads(text)["items"] if text.startswith("{") else []
            self._known[key] = found
        return self._known[key]

    def everywhere(self, kind: str) -> Moves[list[Object]]:
        """Return the objects of a kind of all namespaces, one namespace after the other."""
        found: list[Object] = []
        for namespace in (yield from self.listed("namespaces")):
            found += yield from self.listed(kind, str(namespace["metadata"]["name"]))
        return found


def rows(text: str) -> list[dict[str, str]]:
    """Return the rows of a table by their headers."""
    lines = text.splitlines()
    if len(lines) < 2:
        return []
    starts = [found.start() for found in re.finditer(r"\S+(?: \S+)*", lines[0])]
    ends = [*starts[1:], None]
    header = [lines[0][a:b].strip() for a, b in zip(starts, ends, strict=True)]
    return [
        dict(
            zip(header, (line[a:b].strip() for a, b in zip(starts, ends, strict=True)), strict=True)
        )
        for line in lines[1:]
    ]


def container_of(template: Object) -> Object:
    """Return the first container of a pod template, or of a pod."""
    return template["spec"]["containers"][0]


def label(found: Object) -> Mapping[str, str]:
    """Return an object's labels."""
    return found["metadata"].get("labels", {})


def is_ready(pod: Object) -> bool:
    """Return whether all containers of a pod are ready."""
    statuses = pod["status"].get("containerStatuses", [])
    return bool(statuses) and all(one["ready"] for one in statuses)


def previous_template(kind: str, name: str, namespace: str) -> Moves[Object]:
    """Return the pod template of the revision before the last one."""
    place = {"kind": kind, "name": name, "namespace": namespace}
    text = yield from ask("kubectl_rollout_history", **place)
    numbers = [int(row["REVISION"]) for row in rows(text)]
    if len(numbers) < 2:
        raise PlanLost(f"{kind} {namespace}/{name} has had one revision only.")
    text = yield from ask("kubectl_rollout_history", **place, revision=numbers[-2])
    return yaml.safe_load(text)["template"]
