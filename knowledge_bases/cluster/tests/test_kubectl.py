from __future__ import annotations

import inspect
import json
from decimal import Decimal
from pathlib import Path

import pytest
from small_cluster import cart, small_cluster

from fleetgym.contracts.errors import SandboxError, ToolError
from fleetgym.contracts.sandbox import Limits
from fleetgym_cluster import toolset
from fleetgym_cluster.kubectl import Kubectl
from fleetgym_cluster.quantity import amount, cpu_text, memory_text
from fleetgym_cluster.selectors import matches, parse_selector


@pytest.fixture
def kubectl() -> Kubectl:
    cluster = small_cluster()
    template = cart(cluster.objects)["spec"]["template"]
    template["spec"]["containers"][0]["image"] = "reg.example/cart:9"
    return Kubectl(cluster)


def test_tables_look_as_kubectls_do(kubectl: Kubectl) -> None:
    assert kubectl.get("deploy").splitlines() == [
        "NAMESPACE   NAME   READY   UP-TO-DATE   AVAILABLE   AGE         IMAGES",
        "shop        cart   3/3     1            3           <unknown>   reg.example/cart:9",
    ]
    assert "ImagePullBackOff" in kubectl.get("pods", namespace="shop")
    assert kubectl.get("pods", selector="app=no") == "No resources found."
    assert kubectl.get("endpoints", name="db", namespace="shop").splitlines()[1].count(":8080") == 1


def test_every_kind_can_be_listed_and_described(kubectl: Kubectl) -> None:
    for kind in (
        "nodes",
        "ns",
        "sa",
        "cm",
        "sc",
        "sts",
        "svc",
        "netpol",
        "rs",
        "pods",
        "pvc",
        "ep",
    ):
        names = kubectl.get(kind, output="name").splitlines()
        assert names, kind
        place, _, name = names[0].rpartition("/")
        namespace = place.partition("/")[0] if "/" in place else ""
        assert f"Name:         {name}" in kubectl.describe(kind, name, namespace)
    assert json.loads(kubectl.get("nodes", output="json"))["kind"] == "List"
    assert kubectl.top("nodes").splitlines()[0].startswith("NAME")
    assert kubectl.top("pods").splitlines()[0].startswith("NAMESPACE")


def test_logs_history_and_rights(kubectl: Kubectl) -> None:
    pods = json.loads(kubectl.get("pods", namespace="shop", output="json"))["items"]
    sick = next(p for p in pods if p["status"]["phase"] == "Pending")["metadata"]["name"]
    well = next(p for p in pods if p["status"]["phase"] == "Running")["metadata"]["name"]
    with pytest.raises(ToolError, match="is waiting to start: ImagePullBackOff"):
        kubectl.logs(sick, "shop")
    assert 'msg="listening" addr=:8080' in kubectl.logs(well, "shop")
    with pytest.raises(ToolError, match="previous terminated container"):
        kubectl.logs(well, "shop", previous=True)
    with pytest.raises(ToolError, match="There are: cart"):
        kubectl.logs(well, "shop", container="istio")
    assert "first" in kubectl.rollout_history("deploy", "cart", "shop")
    assert "reg.example/cart:1" in kubectl.rollout_history("deploy", "cart", "shop", 4)
    with pytest.raises(ToolError, match="there are 4"):
        kubectl.rollout_history("deploy", "cart", "shop", 9)
    assert kubectl.auth_can_i("list", "configmaps", "default", "shop") == "no"


@pytest.mark.parametrize(
    ("kind", "name", "namespace", "told"),
    [
        ("podz", "", "", "Did you mean 'pod'?"),
        ("pods", "", "shpo", "Did you mean 'shop'?"),
        ("deploy", "crat", "shop", "Did you mean 'cart'?"),
        ("deploy", "cart", "default", 'namespaces "default" not found'),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    kubectl: Kubectl, kind: str, name: str, namespace: str, told: str
) -> None:
    with pytest.raises(ToolError) as caught:
        kubectl.get(kind, name, namespace)
    assert told in str(caught.value)


def test_secrets_are_not_shown(kubectl: Kubectl) -> None:
    cluster = small_cluster()
    cluster.objects.put({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop"},
        "data": {"password": "aHVudGVyMg=="},
    })  # fmt: skip
    kubectl = Kubectl(cluster)
    for text in (kubectl.get("secrets", output="yaml"), kubectl.describe("secret", "s", "shop")):
        assert "password" in text
        assert "aHVudGVyMg" not in text


def test_changes_are_made_and_graded_without_being_kept(kubectl: Kubectl) -> None:
    spec = {"containers": [{"name": "cart", "image": "reg.example/cart:1"}]}
    place = {"kind": "Deployment", "namespace": "shop", "name": "cart"}
    change = {"action": "patch", **place, "patch": {"spec": {"template": {"spec": spec}}}}
    for _ in range(2):
        outcome = json.loads(kubectl.grade_changes([change]))
        assert outcome["before"] == {"Deployment shop/cart": False, "StatefulSet shop/db": True}
        assert outcome["after"] == {"Deployment shop/cart": True, "StatefulSet shop/db": True}
        assert outcome["touched"] == ["Deployment shop/cart"]
    assert "'reg.example/cart:9' -> 'reg.example/cart:1'" in kubectl.diff([change])
    refused = json.loads(kubectl.grade_changes([{**change, "name": "no"}]))
    assert refused["ok"] is False


def test_the_toolset_opens_a_cluster_and_says_when_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"holds no cluster\.json"):
        toolset.open_toolset({"data": tmp_path}, Limits())
    (tmp_path / toolset.CLUSTER).write_text(json.dumps(small_cluster().to_json()))
    tools = toolset.open_toolset({"data": tmp_path}, Limits())
    for spec in toolset.SPECS:
        taken = inspect.signature(tools[spec.name]).parameters
        assert set(taken) == set(spec.parameters["properties"]), spec.name


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250m", "0.25"),
        ("1", "1"),
        ("1.5Gi", "1610612736"),
        ("2k", "2000"),
        ("1e3", "1000"),
        ("3n", "3E-9"),
    ],
)
def test_quantities_are_read(text: str, value: str) -> None:
    assert amount(text) == Decimal(value)


def test_quantities_are_written_and_refused() -> None:
    assert (cpu_text(amount("1500m")), cpu_text(amount("2"))) == ("1500m", "2")
    assert (memory_text(amount("512Mi")), memory_text(amount("2Gi"))) == ("512Mi", "2Gi")
    for text in ("", "x", "1Xi", "--1"):
        with pytest.raises(ToolError, match="is no quantity"):
            amount(text)


def test_selectors_of_command_lines() -> None:
    labels = {"app": "cart", "tier": "web"}
    for text in ("app=cart", "app==cart,tier!=db", "app in (cart, x),!zone", "tier notin (db),app"):
        assert matches(parse_selector(text), labels), text
    for text in ("app=x", "zone", "!app", "app notin (cart)"):
        assert not matches(parse_selector(text), labels), text
    with pytest.raises(ToolError, match="is no selector"):
        parse_selector("app cart")
