"""The expert of RolloutPlanning-v1, driven by observations only.

It knows the craft: how many pods three zones take, how a rollout stays within a quota, how to find
times that a calendar, a window and an error budget leave. Of a release it knows what the tools told
it, so nothing in this package imports what makes instances.
"""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import yaml

from fleetgym.contracts.errors import PlanLost
from fleetgym.contracts.policy import ask
from fleetgym.contracts.tools import SUBMIT, ToolCall
from fleetgym_env_rollout_planning.expert.manifests import changed_objects
from fleetgym_env_rollout_planning.expert.papers import read_calendar, read_card, read_rules
from fleetgym_env_rollout_planning.timetable import Timetable, Window, ladder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.policy import Plan
    from fleetgym_env_rollout_planning.expert.papers import Card, Rules

__all__ = ["ReleaseExpert", "handed_in", "stage"]

_ZONES = 3


class ReleaseExpert:
    """Solves every scenario of the environment."""

    def plan(self, prompt: str) -> Plan:
        """Read everything that binds, then size, guard and time each service in order."""
        del prompt  # the request says more
        try:
            yield from _planned()
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise PlanLost(f"The papers make no sense: {error!r}.") from error


def stage(service: str, at: datetime, percent: int, soak: timedelta, card: Card) -> dict[str, Any]:
    """Return a stage that is stopped at the service's objective."""
    return {
        "service": service,
        "at": f"{at:%Y-%m-%dT%H:%MZ}",
        "percent": percent,
        "soak_minutes": math.ceil(soak / timedelta(minutes=1)),
        "gates": [{"indicator": name, "at_most": most} for name, most in card.objective.items()],
    }


def handed_in(
    objects: Sequence[Mapping[str, Any]],
    stages: Sequence[Mapping[str, Any]],
    running: Mapping[str, str],
) -> ToolCall:
    """Return the submission of a plan."""
    plan = {
        "manifests": yaml.safe_dump_all(objects, sort_keys=False),
        "stages": list(stages),
        "rollback": [{"service": name, "image": image} for name, image in running.items()],
    }
    return ToolCall(SUBMIT, {"answer": json.dumps(plan)})


def _planned() -> Plan:
    request: dict[str, Any] = yaml.safe_load((yield from ask("release_request")))
    rules = yield from read_rules()
    calendar = yield from ask("change_calendar")
    orders = {order["service"]: order for order in request["services"]}
    cards: dict[str, Card] = {}
    for service in orders:
        cards[service] = yield from read_card(service)
    objects: list[dict[str, Any]] = []
    stages: list[dict[str, Any]] = []
    running: dict[str, str] = {}
    after = _moment(request["now"])
    for service in sorted(
        orders, key=lambda one: any(one in c.calls for c in cards.values()), reverse=True
    ):
        card, order = cards[service], orders[service]
        replicas, keeps = _sized(card.peak, card.rps[order["image"]])
        memory = math.ceil(rules.memory_factor * card.memory_mib[order["image"]])
        changed, image = yield from changed_objects(
            order, replicas=replicas, keeps=keeps, memory_mib=memory,
            limit_mib=int(memory * rules.limit_factor),
        )  # fmt: skip
        objects += changed
        running[service] = image
        timed = _timed(card, rules, request, calendar, replicas=replicas, after=after)
        stages += timed
        after = _moment(timed[-1]["at"]) + timedelta(minutes=timed[-1]["soak_minutes"])
    text = yaml.safe_dump_all(objects, sort_keys=False)
    yield from ask("kubectl_diff", changes=[{"action": "apply", "manifest": text}])
    yield handed_in(objects, stages, running)


def _sized(peak: int, rps: int) -> tuple[int, int]:
    """Return the fewest replicas of which a zone can be missed, and how many have to be kept."""
    keeps = math.ceil(peak / rps)
    replicas = keeps
    while replicas - math.ceil(replicas / _ZONES) < keeps:
        replicas += 1
    return replicas, keeps


def _timed(
    card: Card,
    rules: Rules,
    request: Mapping[str, Any],
    calendar: str,
    *,
    replicas: int,
    after: datetime,
) -> list[dict[str, Any]]:
    """Return the earliest stages that window, calendar, deadline and error budget leave."""
    tier = rules.tiers[card.tier]
    window = Window(
        weekdays=rules.weekdays, first_hour=rules.first_hour, last_hour=rules.last_hour,
        end_hour=rules.end_hour, ahead=card.ahead,
    )  # fmt: skip
    critical = request["critical"]
    soak = timedelta(minutes=tier.soak_min / 2 if critical else tier.soak_min)
    percents = ladder(tier.first_percent, tier.growth, tier.stages, replicas)
    table = Timetable(
        percents=percents,
        soak=soak,
        deadline=_moment(request["deadline"]),
        window=None if critical else window,
        closed=list(
            read_calendar(card.service.partition("/")[0], calendar, critical=critical)
        ),
    )  # fmt: skip
    pods = math.ceil(replicas * percents[0] / 100)

    def affordable(start: datetime) -> bool:
        rps = card.demand(start, start + card.detection)
        staked = pods / replicas * rps * card.detection.total_seconds()
        return staked <= rules.canary_share * card.errors_left

    start = next(table.starts(after, affordable), None)
    times = table.stages(start) if start else None
    if times is None:
        raise PlanLost(f"There is no time left for {card.service}.")
    return [
        stage(card.service, at, percent, soak, card)
        for at, percent in zip(times, percents, strict=True)
    ]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
