"""One seed's version of a scenario: its cluster, and what is wrong with it."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fleetgym_cluster.kinds import WORKLOADS
from fleetgym_cluster.objects import Ref, ref_of
from fleetgym_cluster.posture import health, posture
from fleetgym_cluster.reconcile import reconcile
from fleetgym_cluster.toolset import CLUSTER
from fleetgym_cluster.world import Cluster, Past
from fleetgym_env_k8s_troubleshooting.faults import FAULTS
from fleetgym_graders.repair import FaultTruth, RepairTruth
from fleetgym_platform.platform import draw_platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fleetgym.contracts.scenario import Scenario
    from fleetgym_env_k8s_troubleshooting.faults import Fault
    from fleetgym_platform.platform import Platform

__all__ = ["generate"]

_CONFIG = ("Service", ""), ("ConfigMap", "-config"), ("NetworkPolicy", "-ingress")


def generate(scenario: Scenario, seed: int, directory: Path) -> tuple[str, RepairTruth]:
    """Write the cluster of ``seed`` into ``directory``; return the prompt and the truth."""
    rng = random.Random(f"{scenario.id} {seed}")  # noqa: S311 - reproducible, not secret
    platform = draw_platform(rng)
    _retire(platform)
    well = posture(reconcile(platform.cluster()))
    faults = _break(platform, scenario.parameters)
    _distract(platform, faults)
    cluster = _with_past(platform)
    state = reconcile(cluster)
    victims = [name for name, healthy in health(state).items() if not healthy]
    truth = RepairTruth(
        faults=[_truth(fault) for fault in faults],
        victims=victims,
        images=_images(cluster),
        healthy=_allowed(well, posture(state)),
    )
    (directory / CLUSTER).write_text(json.dumps(cluster.to_json()), "utf-8")
    alerted = victims[0] if scenario.parameters["alert"] == "first" else str(faults[0].app)
    since = platform.now - timedelta(minutes=rng.randint(10, 16))
    return scenario.prompt.format(
        workload=alerted, now=f"{platform.now:%Y-%m-%d %H:%M}", since=f"{since:%H:%M}"
    ), truth


def _break(platform: Platform, parameters: Mapping[str, Any]) -> list[Fault]:
    """Make as many faults as the scenario has, each of another kind, on applications apart."""
    rng = platform.rng
    faults: list[Fault] = []
    causes = rng.sample(parameters["causes"], len(parameters["causes"]))
    for cause in causes:
        if len(faults) == parameters["faults"]:
            break
        taken = {fault.app for fault in faults}
        near = {app.ref for app in platform.apps if app.ref in taken}
        near |= {
            other.ref
            for app in platform.apps
            if app.ref in taken
            for other in (*app.calls.values(), *platform.callers(app))
        }
        fitting = [
            a for a in platform.apps if a.ref not in near and FAULTS[cause].fits(platform, a)
        ]
        if fitting:
            faults.append(FAULTS[cause].make(platform, rng.choice(fitting), cause))
    return faults


def _retire(platform: Platform) -> None:
    """Leave something behind that is switched off on purpose, with a service without pods."""
    rng = platform.rng
    model = rng.choice([app for app in platform.apps[1:9] if app.kind == "Deployment"])
    for kind in ("Deployment", "Service"):
        copy = json.loads(json.dumps(platform.objects[model.object(kind)]))
        copy["metadata"]["name"] = f"{model.name}-legacy"
        labels = {"app.kubernetes.io/name": f"{model.name}-legacy"}
        copy["metadata"]["labels"] = labels
        if kind == "Deployment":
            copy["metadata"]["annotations"] = {
                "node.example/note": "scaled to zero on purpose; to be removed next quarter"
            }
            copy["spec"] |= {"replicas": 0, "selector": {"matchLabels": labels}}
            copy["spec"]["template"]["metadata"]["labels"] = labels
        else:
            copy["spec"]["selector"] = labels
            copy["spec"]["clusterIP"] = f"10.96.251.{rng.randrange(2, 250)}"
        platform.objects.put(copy)


def _distract(platform: Platform, faults: Sequence[Fault]) -> None:
    """Roll out one or two other applications about when it began; nothing is wrong with these."""
    rng = platform.rng
    hit = {fault.app for fault in faults}
    others = [a for a in platform.apps if a.kind == "Deployment" and a.ref not in hit]
    for app in rng.sample(others, rng.randint(1, 2)):
        base, _, tag = app.image.rpartition(":")
        major, minor, patch = (int(part) for part in tag.split("."))
        image = f"{base}:{major}.{minor}.{patch + 1}"
        platform.images[image] = app.program
        platform.container(app)["image"] = image
        at = platform.now - timedelta(minutes=rng.randint(14, 55))
        platform.roll_out(app, f"new release ({image.rpartition(':')[2]})", at, completed=True)


def _with_past(platform: Platform) -> Cluster:
    """Return the cluster with warnings of the last hour that have come to nothing."""
    rng, cluster = platform.rng, platform.cluster()
    well = [pod for pod in reconcile(cluster).pods if pod.ready]
    past = [
        Past(
            at=platform.now - timedelta(minutes=rng.randint(12, 50)), kind="Pod",
            namespace=pod.namespace, name=pod.name, type="Warning", reason="Unhealthy",
            message="Readiness probe failed: context deadline exceeded", count=rng.randint(1, 3),
        )
        for pod in rng.sample(well, 3)
    ]  # fmt: skip
    nodes = [Ref("Node", "", str(node["metadata"]["name"])) for node in platform.objects.of("Node")]
    past.append(
        Past(
            at=platform.now - timedelta(minutes=rng.randint(20, 55)), kind="Node", namespace="",
            name=rng.choice(nodes).name, type="Normal", reason="NodeHasSufficientMemory",
            message="Node status is now: NodeHasSufficientMemory",
        )
    )  # fmt: skip
    return Cluster(objects=cluster.objects, world=replace(cluster.world, past=past))


def _truth(fault: Fault) -> FaultTruth:
    app = fault.app
    own = [Ref(kind, app.namespace, f"{app.name}{suffix}") for kind, suffix in _CONFIG]
    related = dict.fromkeys([*fault.culprits, *fault.clues, app, *own])
    return FaultTruth(
        cause=fault.cause,
        culprits=[str(ref) for ref in fault.culprits],
        related=[str(ref) for ref in related],
        size=fault.size,
    )


def _allowed(well: Mapping[str, Any], sick: Mapping[str, Any]) -> dict[str, Any]:
    """Return the posture that a repair may leave: what it finds is nothing that it has granted."""
    accounts = {*well["permissions"], *sick["permissions"]}
    return {
        "permissions": {
            name: sorted({*well["permissions"].get(name, ()), *sick["permissions"].get(name, ())})
            for name in sorted(accounts)
        },
        "flows": sorted({*well["flows"], *sick["flows"]}),
        "quotas": sick["quotas"],
        "workloads": {
            name: {
                **was,
                "tolerations": sorted(
                    {*was["tolerations"], *sick["workloads"][name]["tolerations"]}
                ),
            }
            for name, was in well["workloads"].items()
        },
    }


def _images(cluster: Cluster) -> dict[str, list[str]]:
    """Return the images that each workload has had, or has."""
    found: dict[str, list[str]] = {}
    for kind in WORKLOADS:
        for manifest in cluster.objects.of(kind):
            name = str(ref_of(manifest))
            templates = [one.template for one in cluster.world.history.get(name, ())]
            images = [
                str(container["image"])
                for template in (*templates, manifest["spec"]["template"])
                for container in template["spec"]["containers"]
            ]
            found[name] = list(dict.fromkeys(images))
    return found
