"""Manifests that nobody would write on purpose: refused with a reason, or lived with."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any, cast

import pytest
from small_cluster import small_cluster

from fleetgym.contracts.errors import ToolError
from fleetgym_cluster.changes import apply_changes
from fleetgym_cluster.kubectl import Kubectl

VALUES: list[Any] = [
    None, "", "x", 0, -1, 10**12, 1.5, True, [], {}, ["a"], {"a": "b"}, [{}], [None], "100%",
    "-5%", "1e400", "999999999999Gi", "\ud83d", "a" * 3000,
]  # fmt: skip
KEPT = {("apiVersion",), ("kind",), ("metadata",), ("metadata", "name"), ("metadata", "namespace")}


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield before
    if isinstance(value, dict):
        for key, one in cast("dict[str, Any]", value).items():
            yield from paths(one, (*before, key))
    elif isinstance(value, list):
        for index, one in enumerate(cast("list[Any]", value)):
            yield from paths(one, (*before, index))


def changeable(manifest: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [path for path in paths(manifest) if path and path not in KEPT]


WORTH_IT = [one for one in small_cluster().objects.manifests() if changeable(one)]


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 40))]
)
def test_a_mutated_manifest_breaks_nothing(seed: int) -> None:
    rng, cluster = random.Random(seed), small_cluster()
    kubectl, outcomes = Kubectl(cluster), [0, 0]
    for _ in range(40):
        manifest = copy.deepcopy(rng.choice(WORTH_IT))
        path = rng.choice(changeable(manifest))
        place: Any = manifest
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = copy.deepcopy(rng.choice(VALUES))
        change = {"action": "apply", "manifest": json.dumps(manifest)}
        outcome = json.loads(kubectl.grade_changes([change]))
        outcomes[outcome["ok"]] += 1
        assert outcome["ok"] or outcome["error"].startswith("Change 1: "), outcome
        try:
            changed = apply_changes(cluster, [change]).cluster
        except ToolError:
            continue
        for kind in ("pods", "deploy", "nodes", "svc", "ep", "netpol", "pvc", "rs"):
            Kubectl(changed).get(kind)
    assert min(outcomes) > 0


def test_the_api_servers_own_fields_are_not_the_agents() -> None:
    cluster = small_cluster()
    node = copy.deepcopy(cluster.objects.of("Node")[0])
    node["status"]["allocatable"]["cpu"] = "4000"
    node["metadata"]["creationTimestamp"] = "1999-01-01T00:00:00Z"
    changed = apply_changes(cluster, [{"action": "apply", "manifest": json.dumps(node)}])
    assert changed.touched == []


def test_what_cannot_be_meant_is_refused() -> None:
    place = {"kind": "deploy", "namespace": "shop", "name": "cart"}
    many = {"action": "patch", **place, "patch": {"spec": {"replicas": 10**9}}}
    with pytest.raises(ToolError, match="must be 0 to 500"):
        apply_changes(small_cluster(), [many])
