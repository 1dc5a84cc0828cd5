from __future__ import annotations

from typing import Any

import pytest
from small_cluster import CART, cart, small_cluster

from fleetgym.contracts.errors import ToolError
from fleetgym_cluster.changes import apply_changes, differences
from fleetgym_cluster.objects import Objects


def patch(spec: Any, form: str = "strategic", **place: str) -> dict[str, Any]:
    where = {"kind": "deploy", "namespace": "shop", "name": "cart", **place}
    return {"action": "patch", **where, "type": form, "patch": spec}


def pod(objects: Objects) -> dict[str, Any]:
    return cart(objects)["spec"]["template"]["spec"]


def in_pod(spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": spec}}}


def test_a_strategic_patch_tells_entries_apart_by_their_key() -> None:
    changed = apply_changes(
        small_cluster(),
        [patch(in_pod({"containers": [{"name": "cart", "image": "reg.example/cart:2"}]}))],
    )
    (container,) = pod(changed.cluster.objects)["containers"]
    assert container["image"] == "reg.example/cart:2"
    assert container["env"][0]["name"] == "DB_URL"
    assert [str(ref) for ref in changed.touched] == [CART]


def test_entries_can_be_deleted_and_lists_replaced() -> None:
    cluster = small_cluster()
    env = [{"name": "DB_URL", "$patch": "delete"}, {"name": "A", "value": "1"}]
    one = patch(in_pod({"containers": [{"name": "cart", "env": env}]}))
    assert pod(apply_changes(cluster, [one]).cluster.objects)["containers"][0]["env"] == [
        {"name": "A", "value": "1"}
    ]
    pod(cluster.objects)["imagePullSecrets"] = [{"name": "a"}]
    other = patch(in_pod({"imagePullSecrets": [{"$patch": "replace"}, {"name": "b"}]}))
    changed = apply_changes(cluster, [other])
    assert pod(changed.cluster.objects)["imagePullSecrets"] == [{"name": "b"}]


def test_merge_and_json_patches_are_those_of_their_rfcs() -> None:
    changed = apply_changes(small_cluster(), [patch({"spec": {"replicas": None}}, "merge")])
    assert "replicas" not in cart(changed.cluster.objects)["spec"]
    steps = [{"op": "replace", "path": "/spec/replicas", "value": 5}]
    changed = apply_changes(small_cluster(), [patch(steps, "json")])
    assert cart(changed.cluster.objects)["spec"]["replicas"] == 5


MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: %s, namespace: %s}
data: {A: "1"}
"""


RELABELED = {"spec": {"template": {"metadata": {"labels": {"app": "x"}}}}}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (patch({"spec": {"replicas": "3"}}), "spec.replicas: '3' is not of type 'integer'"),
        (patch({"spec": {"replica": 3}}), "Additional properties are not allowed"),
        (patch({}, name="crat"), "Did you mean 'cart'?"),
        (patch({}, namespace="shoop"), "One is in the namespace 'shop'."),
        (patch({}, kind="deployement"), "Did you mean 'deployment'?"),
        (patch({}, kind="pod"), "made by a controller; change their owner"),
        (patch({"metadata": {"name": "x"}}), "cannot change apiVersion, kind, name or namespace"),
        (patch([]), "is an object"),
        (patch([{"op": "remove", "path": "/no"}], "json"), "does not apply"),
        (patch("x", "json"), "does not apply"),
        (patch({"spec": {"selector": {"matchLabels": {"app": "x"}}}}), "is immutable"),
        (patch(RELABELED), "spec.selector does not match"),
        ({"action": "apply", "manifest": "{"}, "no YAML"),
        ({"action": "apply", "manifest": "[1, 2]"}, "must be one manifest"),
        ({"action": "apply", "manifest": "kind: Secret"}, "needs `apiVersion`, `kind`"),
        ({"action": "apply", "manifest": MANIFEST % ("a", "nowhere")}, "not found"),
        ({"action": "apply", "manifest": "&a [*a]"}, "one manifest"),
        ({"action": "delete", "kind": "cm", "namespace": "shop", "name": "no"}, "not found"),
    ],
)
def test_what_the_api_server_would_not_take_is_refused_with_a_reason(
    change: dict[str, Any], told: str
) -> None:
    with pytest.raises(ToolError) as caught:
        apply_changes(small_cluster(), [change])
    assert str(caught.value).startswith("Change 1: ")
    assert told in str(caught.value)


def test_objects_are_created_and_deleted_and_the_cluster_before_stays() -> None:
    cluster = small_cluster()
    before = cluster.to_json()
    changed = apply_changes(
        cluster,
        [
            {"action": "apply", "manifest": MANIFEST % ("new", "shop")},
            {"action": "delete", "kind": "netpol", "namespace": "shop", "name": "db-ingress"},
        ],
    )
    assert [str(ref) for ref in changed.touched] == [
        "NetworkPolicy shop/db-ingress",
        "ConfigMap shop/new",
    ]
    assert [str(ref) for ref in changed.deleted] == ["NetworkPolicy shop/db-ingress"]
    assert cluster.to_json() == before


def test_differences_name_the_paths() -> None:
    assert differences({"a": [{"b": 1}], "c": 2}, {"a": [{"b": 2}], "d": 3}) == [
        "a[0].b: 1 -> 2",
        "c: 2 -> None",
        "d: None -> 3",
    ]
