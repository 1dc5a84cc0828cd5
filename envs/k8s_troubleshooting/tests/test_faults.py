"""What every fault promises, whoever made it."""

from __future__ import annotations

import random

import pytest

from fleetgym_cluster.posture import health
from fleetgym_cluster.reconcile import reconcile
from fleetgym_cluster.schema import check_manifest
from fleetgym_env_k8s_troubleshooting.faults import FAULTS
from fleetgym_env_k8s_troubleshooting.scenarios import scenarios
from fleetgym_graders.repair_report import CAUSES
from fleetgym_platform.platform import draw_platform

SEEDS = range(3)


@pytest.mark.parametrize("seed", range(10))
def test_a_platform_is_well_before_anything_is_done_to_it(seed: int) -> None:
    platform = draw_platform(random.Random(seed))
    assert [name for name, well in health(reconcile(platform.cluster())).items() if not well] == []
    assert len(platform.objects.manifests()) > 80


def test_a_platforms_manifests_fit_the_schemas_of_kubernetes() -> None:
    for manifest in draw_platform(random.Random(1)).objects.manifests():
        check_manifest(manifest)


def test_every_cause_that_a_finding_may_name_can_be_made_and_is_used() -> None:
    used = {cause for scenario in scenarios() for cause in scenario.parameters["causes"]}
    assert set(FAULTS) == set(CAUSES) == used


@pytest.mark.parametrize("cause", FAULTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_fault_makes_its_application_or_its_callers_sick(cause: str, seed: int) -> None:
    platform = draw_platform(random.Random(f"{cause} {seed}"))
    fitting = [app for app in platform.apps if FAULTS[cause].fits(platform, app)]
    app = platform.rng.choice(fitting)
    near = {str(one.ref) for one in (app, *platform.callers(app))}

    fault = FAULTS[cause].make(platform, app, cause)

    state = reconcile(platform.cluster())
    assert near & {name for name, well in health(state).items() if not well}
    assert any(ref in platform.objects for ref in fault.culprits)
    for ref in fault.culprits:
        if ref in platform.objects:
            check_manifest(platform.objects[ref])
