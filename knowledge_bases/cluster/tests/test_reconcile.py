from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from small_cluster import CART, cart, small_cluster

from fleetgym_cluster.changes import apply_changes
from fleetgym_cluster.posture import health, posture
from fleetgym_cluster.reconcile import State, reconcile
from fleetgym_cluster.world import Cluster, Program

CASES: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parent / "cases.yaml").read_text("utf-8")
)
IMAGES = {
    "2": Program(port=8080),
    "hungry": Program(port=8080, memory_mib=300),
    "slow": Program(port=8080, start_s=90),
    "root": Program(port=8080, user=0),
    "writer": Program(port=8080, writes="/var/cache"),
    "private": Program(port=8080, private=True),
    "asker": Program(port=8080, asks=(("list", "configmaps"),)),
    "greedy": Program(port=8080, memory_mib=7600),
    "strict": Program(port=8080, flags=("--workers",)),
}


def patch(kind: str, name: str, spec: Any, namespace: str = "shop") -> dict[str, Any]:
    place = {"kind": kind, "namespace": namespace, "name": name}
    return {"action": "patch", **place, "patch": spec}


def in_cart(
    image: str = "1", pod: dict[str, Any] | None = None, container: dict[str, Any] | None = None
) -> dict[str, Any]:
    one = {"name": "cart", "image": f"reg.example/cart:{image}", **(container or {})}
    spec = {"containers": [one], **(pod or {})}
    return patch("Deployment", "cart", {"spec": {"template": {"spec": spec}}})


def applied(manifest: dict[str, Any]) -> dict[str, Any]:
    return {"action": "apply", "manifest": yaml.safe_dump(manifest)}


def after(*changes: dict[str, Any]) -> State:
    return reconcile(apply_changes(small_cluster(**IMAGES), changes).cluster)


def told(state: State) -> str:
    """Return all that events and logs of the cart's pods say, and the events of others."""
    logs = [line for pod in state.pods for one in pod.containers for line in one.logs]
    return "\n".join([*(f"{e.reason}: {e.message}" for e in state.events), *logs])


def statuses(state: State) -> list[str]:
    return sorted(pod.status for pod in state.pods if str(pod.owner) == CART)


def test_a_cluster_that_is_well_is_well_and_settles_the_same_again() -> None:
    state = reconcile(small_cluster())
    assert health(state) == {CART: True, "StatefulSet shop/db": True}
    assert [pod.name for pod in state.pods] == [pod.name for pod in reconcile(small_cluster()).pods]
    assert posture(state)["flows"] == [
        "Deployment shop/cart -> StatefulSet shop/db",
        "StatefulSet shop/db -> Deployment shop/cart",
    ]


def test_a_cluster_survives_json() -> None:
    cluster = small_cluster()
    again = Cluster.from_json(cluster.to_json())
    assert again.to_json() == cluster.to_json()
    assert again.world == cluster.world


@pytest.mark.parametrize("case", CASES["template"], ids=lambda case: case["name"])
def test_what_is_wrong_with_a_template_shows_in_one_new_pod_and_the_old_ones_go_on(
    case: dict[str, Any],
) -> None:
    parts = {name: case[name] for name in ("image", "pod", "container") if name in case}
    state = after(in_cart(**parts))
    work = next(one for ref, one in state.workloads.items() if str(ref) == CART)
    assert not work.healthy
    assert statuses(state) == sorted([case["status"], "Running", "Running", "Running"])
    assert (work.ready, work.updated, work.desired) == (3, 1, 3)
    assert case["told"] in told(state)


def test_a_rollout_whose_pods_are_well_replaces_the_old_ones() -> None:
    state = after(in_cart("2"))
    assert {pod.revision for pod in state.pods if str(pod.owner) == CART} == {5}
    assert health(state)[CART]


def test_a_template_that_was_there_before_is_that_revision_again() -> None:
    state = after(in_cart("9"), in_cart("1"))
    assert {pod.revision for pod in state.pods if str(pod.owner) == CART} == {4}


@pytest.mark.parametrize("case", CASES["reach"], ids=lambda case: case["name"])
def test_who_does_not_reach_what_it_calls_is_not_ready_and_its_log_says_why(
    case: dict[str, Any],
) -> None:
    kind, name = case["of"]
    state = after(patch(kind, name, case["patch"]))
    assert health(state)[CART] is False
    assert statuses(state) == ["Running"] * 3
    assert case["told"] in told(state)
    assert "statuscode: 503" in told(state)


def quota(**hard: str) -> dict[str, Any]:
    metadata = {"name": "q", "namespace": "shop"}
    kind = {"apiVersion": "v1", "kind": "ResourceQuota"}
    return applied({**kind, "metadata": metadata, "spec": {"hard": hard}})


def test_pods_beyond_a_quota_are_not_made() -> None:
    state = after(quota(pods="3"))
    assert len(state.pods) == 3
    assert "exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3" in told(state)
    state = after(quota(**{"requests.cpu": "4"}))
    assert "failed quota: q: must specify requests.cpu" in told(state)


def test_an_account_that_is_not_there_lets_no_pod_be_made() -> None:
    state = after(in_cart(pod={"serviceAccountName": "app"}))
    assert 'serviceaccount "app" not found' in told(state)
    assert statuses(state) == ["Running"] * 3


@pytest.mark.parametrize(("namespace", "well"), [("shop", True), ("elsewhere", False)])
def test_who_is_bound_to_a_role_may_ask_and_who_is_not_may_not(namespace: str, well: bool) -> None:
    group = "rbac.authorization.k8s.io"
    api = {"apiVersion": f"{group}/v1", "metadata": {"name": "r", "namespace": "shop"}}
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}
    role = {**api, "kind": "Role", "rules": [rule]}
    binding = {
        **api,
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
    }
    state = after(in_cart("asker"), applied(role), applied(binding))
    assert health(state)[CART] is well


def test_nodes_that_are_cordoned_get_no_pods_but_keep_their_daemons() -> None:
    agent = cart(small_cluster().objects)
    agent |= {"kind": "DaemonSet", "metadata": {"name": "agent", "namespace": "shop"}}
    del agent["spec"]["replicas"]
    cordon = patch("Node", "n1", {"spec": {"unschedulable": True}}, "")
    state = after(cordon, applied(agent))
    assert {pod.node for pod in state.pods if pod.owner.kind == "DaemonSet"} == {"n1"}
    assert "node.kubernetes.io/unschedulable" in told(state)


def test_replicas_that_must_not_share_a_node_or_zone_need_as_many() -> None:
    mine = {"labelSelector": {"matchLabels": {"app": "cart"}}}
    rule = {**mine, "topologyKey": "kubernetes.io/hostname"}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [rule]}}
    state = after(in_cart(pod={"affinity": apart}))
    assert "didn't match pod anti-affinity rules" in told(state)
    spread = {**mine, "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    state = after(in_cart(pod={"topologySpreadConstraints": [spread]}))
    assert "topology spread constraints" in told(state)


def test_a_node_without_memory_sends_away_who_exceeds_its_request_most() -> None:
    state = after(in_cart("greedy", container={"resources": {"limits": {"memory": "9Gi"}}}))
    assert statuses(state) == ["Evicted", "Running", "Running", "Running"]
    assert state.pressed == ["n1"]
    assert "was using 7600Mi, request is 64Mi" in told(state)
    assert "NodeHasInsufficientMemory" in told(state)
    assert health(state) == {CART: False, "StatefulSet shop/db": True}
