from __future__ import annotations

from dataclasses import replace

from fleetgym.contracts.scenario import Budget, Scenario
from fleetgym_env_cti_realm import scenarios as cti

TOOLS = ("possess", "python", "bash")


def scenarios() -> tuple[Scenario, ...]:
    told = {scenario.id: scenario for scenario in cti.scenarios()}["cti/linux-cron-persistence"]
    return (
        replace(
            told,
            id="hostile/linux-cron-persistence",
            environment="test/Hostile-v1",
            tools=(*TOOLS, *told.tools),
            budget=Budget(steps=60, model_calls=20, tokens=50_000, seconds=240.0),
        ),
    )
