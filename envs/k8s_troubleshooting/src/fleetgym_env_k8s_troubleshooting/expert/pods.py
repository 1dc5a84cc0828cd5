"""What is wrong with a workload's own pods."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import PlanLost
from fleetgym.contracts.policy import ask
from fleetgym.contracts.tools import ToolCall
from fleetgym_env_k8s_troubleshooting.expert.craft import (
    Finding,
    container_of,
    get,
    is_ready,
    previous_template,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.policy import Moves
    from fleetgym_env_k8s_troubleshooting.expert.craft import Object, View

__all__ = ["examine"]

_KINDS = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}
_REVISION = "deployment.kubernetes.io/revision"
_KEY = re.compile(r"couldn't find key (\S+) in ConfigMap (\S+)/(\S+)")
_FLAG = re.compile(r"unknown flag: (\S+?)\"")
_READ_ONLY = re.compile(r"open (\S+)/[^/]+: read-only file system")
_FORBIDDEN = re.compile(r"cannot (\w+) resource \\?\"(\w+)\\?\"")


def examine(view: View, kind: str, namespace: str, name: str) -> Moves[Finding | None]:
    """Return what is wrong with a workload; None when its pods run and only wait for others."""
    workload = yield from get(kind, name, namespace)
    return (yield from _Case(view, workload).finding())


class _Case:
    """One workload under examination."""

    def __init__(self, view: View, workload: Object) -> None:
        self.view = view
        self.workload = workload
        self.kind = str(workload["kind"])
        self.namespace = str(workload["metadata"]["namespace"])
        self.name = str(workload["metadata"]["name"])
        self.template: Object = workload["spec"]["template"]
        self.container = container_of(self.template)

    def finding(self) -> Moves[Finding | None]:
        """Look at the newest pods: what keeps them from being ready says what is wrong."""
        pods = yield from self._pods()
        if not pods:
            return (yield from self._not_created())
        pod = pods[0]
        name = str(pod["metadata"]["name"])
        text = yield from ask("kubectl_describe", kind="pod", name=name, namespace=self.namespace)
        if "Evicted" in text:
            before = container_of((yield from self._before()))
            yield ToolCall("kubectl_top", {"kind": "nodes"})
            fields = {name: before[name] for name in ("image", "resources")}
            return self._mended("node_pressure", text, **fields)
        if "FailedScheduling" in text:
            return (yield from self._not_scheduled(text))
        if "FailedMount" in text:
            before = yield from self._before()
            volumes = _volumes(self.template["spec"]["volumes"], before)
            return self._restored("missing_secret", text, {"volumes": volumes})
        if "Failed to pull image" in text:
            return (yield from self._not_pulled(text))
        if "CreateContainerConfigError" in text:
            return (yield from self._not_made(text))
        if "CrashLoopBackOff" in text:
            return (yield from self._crashing(pod, text))
        if "Readiness probe failed" in text and "statuscode: 503" not in text:
            probe = container_of((yield from self._before()))["readinessProbe"]
            return self._mended("readiness_probe", text, readinessProbe=probe)
        return None

    def _pods(self) -> Moves[list[Object]]:
        """Return the pods of the present template, those that are not ready if there are any."""
        owner = {"kind": self.kind, "name": self.name}
        labels = self.workload["spec"]["selector"]["matchLabels"]
        if self.kind == "Deployment":
            sets = yield from self.view.listed("replicasets", self.namespace, labels)
            mine = [one for one in sets if owner in one["metadata"]["ownerReferences"]]
            newest = max(mine, key=lambda one: int(one["metadata"]["annotations"][_REVISION]))
            owner = {"kind": "ReplicaSet", "name": newest["metadata"]["name"]}
        every = yield from self.view.listed("pods", self.namespace, labels)
        pods = [pod for pod in every if owner in pod["metadata"]["ownerReferences"]]
        return [pod for pod in pods if not is_ready(pod)] or pods

    def _not_created(self) -> Moves[Finding | None]:
        text = yield from ask("kubectl_events", namespace=self.namespace, type="Warning")
        line = next(
            line for line in text.splitlines() if "FailedCreate" in line and f"/{self.name}" in line
        )
        before = yield from self._before()
        if "exceeded quota" in line:
            yield ToolCall(
                "kubectl_describe",
                {"kind": "quota", "name": "compute", "namespace": self.namespace},
            )
            return self._mended("quota_exceeded", line, resources=container_of(before)["resources"])
        if "serviceaccount" in line:
            account = before["spec"].get("serviceAccountName")
            return self._restored("service_account", line, {"serviceAccountName": account})
        raise PlanLost(f"Nobody knows why pods of {self.name} are refused: {line}")

    def _not_scheduled(self, text: str) -> Moves[Finding | None]:
        if "unbound immediate PersistentVolumeClaims" in text:
            return (yield from self._not_bound())
        nodes = yield from self.view.listed("nodes")
        pool = self.template["spec"].get("nodeSelector", {})
        fitting = [n for n in nodes if pool.items() <= n["metadata"]["labels"].items()]
        if fitting and all(n["spec"].get("unschedulable") for n in fitting):
            return (yield from self._cordoned(fitting))
        before = yield from self._before()
        spec = before["spec"]
        if self.template["spec"].get("nodeSelector") != spec.get("nodeSelector"):
            return self._restored("node_selector", text, {"nodeSelector": spec["nodeSelector"]})
        if self.template["spec"].get("tolerations") != spec.get("tolerations"):
            return self._restored("untolerated_taint", text, {"tolerations": spec["tolerations"]})
        resources = container_of(before)["resources"]
        return self._mended("insufficient_resources", text, resources=resources)

    def _cordoned(self, nodes: Sequence[Object]) -> Moves[Finding]:
        name = str(nodes[0]["metadata"]["name"])
        text = yield from ask("kubectl_describe", kind="node", name=name)
        changes = [
            _patch("Node", "", str(node["metadata"]["name"]), {"spec": {"unschedulable": None}})
            for node in nodes
        ]
        return Finding(
            kind="Node", namespace="", name=name, cause="node_unavailable",
            explanation=_first(text, "firmware", "note"), changes=tuple(changes),
        )  # fmt: skip

    def _not_bound(self) -> Moves[Finding]:
        claims = yield from ask("kubectl_get", kind="pvc", namespace=self.namespace)
        named = [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in self.template["spec"]["volumes"]
            if "persistentVolumeClaim" in volume
        ]
        pending = next(
            name for name in named if re.search(rf"\b{re.escape(name)}\s+Pending", claims)
        )
        text = yield from ask(
            "kubectl_describe", kind="pvc", name=pending, namespace=self.namespace
        )
        claim = yield from get("pvc", pending, self.namespace)
        yield ToolCall("kubectl_get", {"kind": "storageclass"})
        spec = copy.deepcopy(claim["spec"])
        many = "ReadWriteMany" in spec["accessModes"]
        spec["storageClassName"] = "shared" if many else "fast"
        place = {"kind": "PersistentVolumeClaim", "namespace": self.namespace, "name": pending}
        manifest = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": pending, "namespace": self.namespace},
            "spec": spec,
        }
        return Finding(
            **place,
            cause="volume_claim",
            explanation=_first(text, "ProvisioningFailed"),
            changes=(
                {"action": "delete", **place},
                {"action": "apply", "manifest": json.dumps(manifest)},
            ),
        )

    def _not_pulled(self, text: str) -> Moves[Finding]:
        before = yield from self._before()
        if "authorization failed" in text:
            secrets = before["spec"]["imagePullSecrets"]
            patch = {"imagePullSecrets": [{"$patch": "replace"}, *secrets]}
            if not self.template["spec"].get("imagePullSecrets"):
                patch = {"imagePullSecrets": secrets}
            return self._restored("image_pull_denied", text, patch)
        return self._mended("image_not_found", text, image=container_of(before)["image"])

    def _not_made(self, text: str) -> Moves[Finding]:
        before = yield from self._before()
        if "run as root" in text:
            return self._secured(text, runAsUser=1000)
        key = _KEY.search(text)
        if key is None:
            raise PlanLost(f"Nobody knows why containers of {self.name} are not made.")
        yield ToolCall(
            "kubectl_get",
            {"kind": "configmap", "name": key[3], "namespace": key[2], "output": "yaml"},
        )
        old = {entry["name"]: entry for entry in container_of(before)["env"]}
        wrong = [entry for entry in self.container["env"] if entry != old.get(entry["name"])]
        return self._mended("missing_config", text, env=[old[entry["name"]] for entry in wrong])

    def _crashing(self, pod: Object, text: str) -> Moves[Finding]:
        if "OOMKilled" in text:
            return (yield from self._starved(text))
        logs = yield from ask(
            "kubectl_logs", pod=pod["metadata"]["name"], namespace=self.namespace, previous=True
        )
        if "Liveness probe failed" in text:
            return (yield from self._killed(text))
        flag = _FLAG.search(logs)
        if flag:
            kept = [a for a in self.container["args"] if a.partition("=")[0] != flag[1]]
            return self._mended("bad_arguments", logs, args=kept)
        folder = _READ_ONLY.search(logs)
        if folder:
            return (yield from self._cacheless(logs, folder[1]))
        denied = _FORBIDDEN.search(logs)
        if denied:
            return (yield from self._denied(logs))
        raise PlanLost(f"Nobody knows why {self.name} ends: {logs[-200:]}")

    def _starved(self, text: str) -> Moves[Finding]:
        before = container_of((yield from self._before()))
        resources = before["resources"]
        if before["image"] != self.container["image"] and resources == self.container["resources"]:
            mebibytes = int(resources["limits"]["memory"].removesuffix("Mi"))
            resources = {"limits": {"memory": f"{mebibytes * 3 // 2}Mi"}}
        return self._mended("out_of_memory", text, resources=resources)

    def _killed(self, text: str) -> Moves[Finding]:
        before = container_of((yield from self._before()))
        probe = before["livenessProbe"]
        if probe == self.container["livenessProbe"]:
            probe = {"initialDelaySeconds": int(probe["initialDelaySeconds"]) + 90}
        return self._mended("liveness_probe", text, livenessProbe=probe)

    def _cacheless(self, logs: str, folder: str) -> Moves[Finding]:
        before = yield from self._before()
        mounts = container_of(before)["volumeMounts"]
        lost = next(m for m in mounts if f"{folder}/".startswith(f"{m['mountPath']}/"))
        volume = next(v for v in before["spec"]["volumes"] if v["name"] == lost["name"])
        container = {"name": self.container["name"], "volumeMounts": [lost]}
        patch = {"volumes": [volume], "containers": [container]}
        return self._restored("security_context", logs, patch)

    def _denied(self, logs: str) -> Moves[Finding]:
        """Find out whether it is the role that says too little, or the binding that misses."""
        account = str(self.template["spec"].get("serviceAccountName", "default"))
        bindings = yield from self.view.listed("rolebindings", self.namespace)
        roles = {
            str(r["metadata"]["name"]): r
            for r in (yield from self.view.listed("roles", self.namespace))
        }
        subject = {"kind": "ServiceAccount", "name": account, "namespace": self.namespace}
        mine = [b for b in bindings if subject in b.get("subjects", [])]
        if not mine:
            near = next(b for b in bindings if str(b["metadata"]["name"]).startswith(self.name))
            name = str(near["metadata"]["name"])
            yield from get("rolebinding", name, self.namespace)
            patch = {"subjects": [subject]}
            return self._elsewhere("RoleBinding", name, "rbac_denied", logs, patch)
        role = roles[str(mine[0]["roleRef"]["name"])]
        name = str(role["metadata"]["name"])
        yield from get("role", name, self.namespace)
        rules = _granting(role["rules"], set(_FORBIDDEN.findall(logs)))
        return self._elsewhere("Role", name, "rbac_denied", logs, {"rules": rules})

    def _before(self) -> Moves[Object]:
        return (yield from previous_template(self.kind, self.name, self.namespace))

    def _mended(self, cause: str, text: str, **fields: Any) -> Finding:
        """Return a finding whose repair is in the container."""
        patch = {"containers": [{"name": self.container["name"], **fields}]}
        return self._restored(cause, text, patch)

    def _secured(self, text: str, **fields: Any) -> Finding:
        return self._mended("security_context", text, securityContext=fields)

    def _restored(self, cause: str, text: str, spec: Mapping[str, Any]) -> Finding:
        """Return a finding whose repair is in the pod template."""
        patch = {"spec": {"template": {"spec": dict(spec)}}}
        return self._elsewhere(self.kind, self.name, cause, text, patch)

    def _elsewhere(
        self, kind: str, name: str, cause: str, text: str, patch: Mapping[str, Any]
    ) -> Finding:
        return Finding(
            kind=kind, namespace=self.namespace, name=name, cause=cause,
            explanation=_first(text, "Warning", "level=fatal"),
            changes=(_patch(kind, self.namespace, name, patch),),
        )  # fmt: skip


def _granting(rules: Sequence[Object], missing: set[tuple[str, str]]) -> list[Object]:
    """Return rules that also grant what was missing, in the rule that there is for a resource."""
    granted = list(rules)
    for verb, resource in sorted(missing):
        place = next(n for n, rule in enumerate(granted) if resource in rule["resources"])
        granted[place] = {**granted[place], "verbs": [*granted[place]["verbs"], verb]}
    return granted


def _volumes(wrong: Sequence[Object], before: Object) -> list[Object]:
    old = {volume["name"]: volume for volume in before["spec"]["volumes"]}
    return [old[volume["name"]] for volume in wrong if volume != old[volume["name"]]]


def _patch(kind: str, namespace: str, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
    place = {"namespace": namespace} if namespace else {}
    return {"action": "patch", "kind": kind, **place, "name": name, "patch": dict(patch)}


def _first(text: str, *words: str) -> str:
    """Return the first line of a text that has one of these words, else its last one."""
    lines = text.splitlines()
    return next((line.strip() for line in lines if any(w in line for w in words)), lines[-1])[:500]
