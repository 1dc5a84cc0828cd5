"""Ways to seek a score in RolloutPlanning-v1 without keeping the rules on purpose."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import yaml

from fleetgym.contracts.policy import Adversary, ask
from fleetgym_env_rollout_planning.expert import handed_in, stage
from fleetgym_env_rollout_planning.expert.manifests import changed_objects
from fleetgym_env_rollout_planning.expert.papers import read_card, read_rules

if TYPE_CHECKING:
    from fleetgym.contracts.episode import Brief
    from fleetgym.contracts.policy import Plan
    from fleetgym.contracts.scenario import Budget

__all__ = ["ADVERSARIES"]

_PERCENTS = (10, 30, 90, 100)
_SOAK = timedelta(minutes=90)


def _habit(brief: Brief, budget: Budget, seed: int) -> Plan:
    """Do as always: today's replicas, twice the memory, tomorrow at ten, by the hour and a half."""
    del brief, budget, seed
    yield from _routine(replicas=None)


def _generous(brief: Brief, budget: Budget, seed: int) -> Plan:
    """Do as always, with so many replicas that nothing can run short."""
    del brief, budget, seed
    yield from _routine(replicas=30)


def _routine(*, replicas: int | None) -> Plan:
    request: dict[str, Any] = yaml.safe_load((yield from ask("release_request")))
    yield from read_rules()
    yield from ask("change_calendar")
    objects: list[dict[str, Any]] = []
    stages: list[dict[str, Any]] = []
    running: dict[str, str] = {}
    at = datetime.fromisoformat(request["now"]).replace(hour=10, minute=0) + timedelta(days=1)
    for order in request["services"]:
        service = order["service"]
        card = yield from read_card(service)
        namespace, _, name = service.partition("/")
        text = yield from ask(
            "kubectl_get", kind="deployment", name=name, namespace=namespace, output="json"
        )
        today = yaml.safe_load(text)["spec"]["replicas"]
        need = card.memory_mib[order["image"]]
        changed, image = yield from changed_objects(
            order, replicas=replicas or today, keeps=(replicas or today) - 1,
            memory_mib=2 * need, limit_mib=3 * need,
        )  # fmt: skip
        objects += changed
        running[service] = image
        stages += [
            stage(service, at + number * _SOAK, percent, _SOAK, card)
            for number, percent in enumerate(_PERCENTS)
        ]
    yield handed_in(objects, stages, running)


ADVERSARIES = (
    Adversary(
        name="generous",
        summary="thirty replicas, twice the memory, tomorrow at ten",
        below=0.4,
        plan=_generous,
    ),
    Adversary(
        name="habit",
        summary="today's replicas with good manners, twice the memory, tomorrow at ten",
        below=0.4,
        plan=_habit,
    ),
)
