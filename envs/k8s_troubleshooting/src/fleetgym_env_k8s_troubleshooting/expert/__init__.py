"""The expert of K8sTroubleshooting-v1, driven by observations only.

It knows the craft: which state of a pod, which event and which line of a log tell of what, and how
each is put right. Of an instance it knows what the tools told it, so nothing in this package
imports what makes instances.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from fleetgym.contracts.errors import PlanLost
from fleetgym.contracts.policy import ask_all
from fleetgym.contracts.tools import SUBMIT, ToolCall
from fleetgym_env_k8s_troubleshooting.expert import calls, pods
from fleetgym_env_k8s_troubleshooting.expert.craft import Repair, View, container_of, rows

if TYPE_CHECKING:
    from fleetgym.contracts.policy import Moves, Plan

__all__ = ["ClusterExpert", "sick_workloads"]

_ALERTED = re.compile(r"(?:Deployment|StatefulSet|DaemonSet) ([\w-]+)/([\w-]+)")
_KINDS = ("deployment", "statefulset", "daemonset")


class ClusterExpert:
    """Solves every scenario of the environment."""

    def plan(self, prompt: str) -> Plan:
        """Find what is sick, follow it to its origin, mend that, and say why."""
        try:
            repair = yield from _examined(prompt)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise PlanLost(f"The trail is lost: {error!r}.") from error
        findings = list(repair.findings.values())
        changes = [change for finding in findings for change in finding.changes]
        yield ToolCall("kubectl_diff", {"changes": changes})
        answer = json.dumps(
            {
                "findings": [
                    {
                        "kind": one.kind, "namespace": one.namespace, "name": one.name,
                        "cause": one.cause, "explanation": one.explanation,
                    }
                    for one in findings
                ],
                "changes": changes,
            }
        )  # fmt: skip
        yield ToolCall(SUBMIT, {"answer": answer})


def sick_workloads() -> Moves[list[tuple[str, str, str]]]:
    """Return kind, namespace and name of the workloads that are not what they should be."""
    found: list[tuple[str, str, str]] = []
    calls = [ToolCall("kubectl_get", {"kind": kind}) for kind in _KINDS]
    listed = yield from ask_all(calls, rows)
    for kind, workloads in zip(_KINDS, listed, strict=True):
        for row in workloads:
            ready, _, wanted = row["READY"].partition("/")
            wanted = wanted or row["DESIRED"]
            if ready != wanted or row.get("UP-TO-DATE", wanted) != wanted:
                found.append((kind, row["NAMESPACE"], row["NAME"]))
    return found


def _examined(prompt: str) -> Moves[Repair]:
    repair, view = Repair(), View()
    sick = yield from sick_workloads()
    yield ToolCall("kubectl_events", {"type": "Warning"})
    waiting: list[tuple[str, str]] = []
    for kind, namespace, name in sick:
        finding = yield from pods.examine(view, kind, namespace, name)
        if finding is None:
            waiting.append((namespace, name))
        else:
            repair.add(finding)
    waiting += yield from _silent(view, prompt)
    followed: set[str] = set()
    for namespace, name in dict.fromkeys(waiting):
        for finding in (yield from calls.examine(view, namespace, name, followed)):
            repair.add(finding)
    if not repair.findings:
        raise PlanLost("Nothing is found to be wrong.")
    return repair


def _silent(view: View, prompt: str) -> Moves[list[tuple[str, str]]]:
    """Return the workload of the alert, and those that no probe ever asks: their logs tell."""
    named = _ALERTED.search(prompt)
    found = [(named[1], named[2])] if named else []
    every = yield from view.everywhere("deployments")
    silent = [one for one in every if "readinessProbe" not in container_of(one["spec"]["template"])]
    return found + [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in silent]
