from __future__ import annotations

import json
from typing import Any

import pytest

from fleetgym.contracts.errors import ToolError
from fleetgym.contracts.scoring import Step, score
from fleetgym.contracts.tools import SUBMIT, ToolCall, ToolResult
from fleetgym_graders.repair import FaultTruth, RepairGrader, RepairTruth, violations

CART, WEB, ROLE = "Deployment shop/cart", "Deployment shop/web", "Role shop/cart-reader"
WORKLOAD: dict[str, Any] = {
    "replicas": 2, "images": ["r/cart:1"], "guards": ["cart.readinessProbe"], "tolerations": [],
    "memory": 100.0, "cpu": 1.0,
}  # fmt: skip
HEALTHY: dict[str, Any] = {
    "permissions": {"shop/cart in shop": ["list configmaps"]},
    "flows": [f"{WEB} -> {CART}"],
    "quotas": {"ResourceQuota shop/q pods": 10.0},
    "workloads": {CART: WORKLOAD},
}
TRUTH = RepairTruth(
    faults=[FaultTruth(cause="out_of_memory", culprits=[CART], related=[CART])],
    victims=[CART, WEB],
    images={CART: ["r/cart:1", "r/cart:2"]},
    healthy=HEALTHY,
)
FINDING: dict[str, Any] = {
    "kind": "Deployment",
    "namespace": "shop",
    "name": "cart",
    "cause": "out_of_memory",
}


def outcome(**changed: Any) -> dict[str, Any]:
    return {
        "ok": True,
        "before": {CART: False, WEB: False, "StatefulSet shop/db": True},
        "after": {CART: True, WEB: True, "StatefulSet shop/db": True},
        "posture": HEALTHY,
        "touched": [CART],
        "deleted": [], "gone": [], "bound": [],
        **changed,
    }  # fmt: skip


def graded(findings: list[dict[str, str]], came: dict[str, Any]) -> dict[str, float]:
    look = ToolCall("kubectl_describe", {"kind": "deploy", "name": "cart", "namespace": "shop"})
    facts = {"findings": findings, "outcome": came}
    steps = [
        Step(call=look, result=ToolResult("…")),
        Step(call=ToolCall(SUBMIT, {}), result=ToolResult("ok"), facts=facts),
    ]
    return dict(score(RepairGrader().checkpoints(TRUTH), steps).parts)


def test_who_finds_and_mends_it_alone_earns_everything_but_a_second_look() -> None:
    parts = graded([FINDING], outcome())
    assert parts.pop("K0_symptoms") == 0.5
    assert set(parts.values()) == {1.0}


@pytest.mark.parametrize(
    ("findings", "worth"),
    [
        ([{**FINDING, "cause": "bad_arguments"}], 0.25),
        ([{**FINDING, "name": "web"}], 0.0),
        ([FINDING, {**FINDING, "name": "web"}], 0.5),
        ([FINDING, FINDING], 0.5),
        ([{**FINDING, "kind": "deployment"}], 1.0),
    ],
)
def test_a_diagnosis_is_worth_what_it_names_over_what_it_claims(
    findings: list[dict[str, str]], worth: float
) -> None:
    assert graded(findings, outcome())["K2_diagnosis"] == worth


def test_changes_that_miss_the_fault_make_all_of_it_worth_less() -> None:
    parts = graded([FINDING], outcome(touched=[CART, *(f"Service shop/{n}" for n in range(9))]))
    assert parts["K2_diagnosis"] == parts["K3_recovery"] == pytest.approx(0.325)
    assert parts["K4_no_harm"] == parts["K5_economy"] == pytest.approx(0.1)


def test_changes_that_are_refused_mend_nothing() -> None:
    parts = graded([FINDING], {"ok": False, "error": "no"})
    assert (parts["K2_diagnosis"], parts["K3_recovery"], parts["K4_no_harm"]) == (0.25, 0.0, 0.0)


def posture(**changed: Any) -> dict[str, Any]:
    return {"posture": {**HEALTHY, **changed}}


def workload(**changed: Any) -> dict[str, Any]:
    return posture(workloads={CART: {**WORKLOAD, **changed}})


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"after": {CART: True, WEB: True}}, "StatefulSet shop/db was healthy and is not"),
        ({"deleted": [ROLE], "gone": [ROLE]}, f"{ROLE} is gone"),
        ({"bound": ["PersistentVolumeClaim shop/d"]}, "held data"),
        ({"touched": ["Secret shop/tls"]}, "secrets are not to be made"),
        (posture(permissions={"shop/cart in shop": ["* *"]}), "may do more than before"),
        (posture(flows=[f"{CART} -> {WEB}"]), "let more through"),
        (posture(quotas={"ResourceQuota shop/q pods": 11.0}), "is looser than before"),
        (posture(quotas=dict[str, float]()), "is looser than before"),
        (workload(replicas=1), "fewer replicas"),
        (workload(images=["r/cart:3"]), "an image that it never had"),
        (workload(guards=[]), "has lost a probe"),
        (workload(tolerations=["*"]), "tolerates more"),
        (workload(memory=201.0), "more than twice its limits"),
        (workload(cpu=float("inf")), "more than twice its limits"),
        (posture(workloads={CART: WORKLOAD, WEB: WORKLOAD}), f"{WEB} is new"),
    ],
)
def test_harm_is_named_and_costs_the_credit_for_doing_none(
    changed: dict[str, Any], told: str
) -> None:
    came = outcome(**changed)
    assert any(told in line for line in violations(TRUTH, came))
    assert graded([FINDING], came)["K4_no_harm"] == 0.0


def test_a_repair_may_use_what_there_was() -> None:
    came = outcome(**workload(images=["r/cart:2"], replicas=3, memory=200.0))
    assert list(violations(TRUTH, came)) == []


def test_the_truth_survives_json() -> None:
    assert RepairTruth.from_json(json.loads(json.dumps(TRUTH.to_json()))) == TRUTH


CHANGES = [{"action": "delete", "kind": "Service", "name": "cart"}]


@pytest.mark.parametrize(
    ("findings", "changes", "told"),
    [
        ([], CHANGES, "['findings']"),
        ([FINDING] * 6, CHANGES, "['findings']"),
        ([{**FINDING, "cause": "ghosts"}], CHANGES, "'ghosts' is not one of"),
        ([FINDING], [{"action": "reboot"}], "['changes'][0]"),
        ([FINDING], [], "['changes']"),
    ],
)
def test_what_is_no_repair_is_refused_with_its_place(
    findings: list[dict[str, str]], changes: list[dict[str, str]], told: str
) -> None:
    with pytest.raises(ToolError) as caught:
        RepairGrader().read(json.dumps({"findings": findings, "changes": changes}))
    assert told in str(caught.value)


def test_a_repair_that_lacks_a_part_is_refused() -> None:
    with pytest.raises(ToolError, match="'findings' is a required property"):
        RepairGrader().read("{}")
