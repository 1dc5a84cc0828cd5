"""What a rollout has to keep to, rule by rule: each says what is wrong, or nothing.

The rules are those of the platform's documents (``fleetgym_cluster.releases.documents``), whose
numbers come from the same book.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fleetgym_cluster.releases.book import Book, LoadTest, Order, Service, Tier
    from fleetgym_graders.rollout_plan import Stage

__all__ = ["MANIFESTS", "PLACEMENT", "SCHEDULE", "SERVICE_LEVELS", "Rollout", "over_budget"]

_MEBI_IN_GIBI = 1024
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One service of a plan, with everything that its rules ask for."""

    book: Book
    order: Order
    stages: Sequence[Stage]
    """In the order of their time."""

    ends: Mapping[str, Any]
    """When the last stage of each service of the release has ended, by service."""

    running: str
    """The image that runs today."""

    rollback: Sequence[str]
    """Images that the plan names to go back to."""

    measured: Mapping[str, Any]
    """What the manifests came to, of this service; empty when they were refused."""

    outcome: Mapping[str, Any]
    """What they came to altogether."""

    @property
    def service(self) -> Service:
        """Its card."""
        return self.book.services[self.order.service]

    @property
    def tier(self) -> Tier:
        """Its tier."""
        return self.book.rules.tiers[self.service.tier]

    @property
    def new(self) -> LoadTest:
        """What a pod of the new image does."""
        return self.service.tests[self.order.image]

    @property
    def peak(self) -> int:
        """The highest forecast, in requests a second."""
        return max(self.book.forecasts[self.order.service])


Rule: TypeAlias = "Callable[[Rollout], Iterator[str]]"
"""Yields what is wrong."""


def _accepted(rollout: Rollout) -> Iterator[str]:
    if not rollout.outcome.get("ok"):
        yield f"the manifests are refused: {rollout.outcome.get('error')}"


def _image(rollout: Rollout) -> Iterator[str]:
    if rollout.measured.get("images") != [rollout.order.image]:
        yield f"the image is not {rollout.order.image}"


def _complete(rollout: Rollout) -> Iterator[str]:
    if not rollout.measured.get("complete") or not rollout.measured.get("replicas"):
        yield "the rollout does not come to its end: pods are refused, not placed or not ready"


def _scope(rollout: Rollout) -> Iterator[str]:
    """Hold what is touched to what a release may touch, in all of its namespaces."""
    if not rollout.outcome.get("ok"):
        yield "nothing was touched"
    allowed = set[str]()
    for order in rollout.book.release.orders:
        allowed |= {f"Deployment {order.service}", f"ConfigMap {order.service}-config"}
    chosen = {
        budget["ref"]
        for found in rollout.outcome.get("services", {}).values()
        for budget in found["budgets"]
    }
    beyond = set(rollout.outcome.get("touched", ())) - allowed - chosen
    yield from (f"{name} is not part of the release" for name in sorted(beyond))
    yield from (f"{key} was there before" for key in rollout.outcome.get("lost", ()))
    after = rollout.outcome.get("after", {})
    for name, was in rollout.outcome.get("before", {}).items():
        if was and not after.get(name):
            yield f"{name} was healthy and is not"


def _guards(rollout: Rollout) -> Iterator[str]:
    name = f"Deployment {rollout.order.service}"
    was = rollout.outcome.get("was", {}).get(name)
    now = rollout.outcome.get("posture", {}).get(name)
    if was is None or now is None:
        yield "nothing is known of what guards it"
        return
    if set(was["guards"]) - set(now["guards"]):
        yield "a probe or a security setting is gone"
    if set(now["tolerations"]) - set(was["tolerations"]):
        yield "it tolerates more than before"
    if rollout.measured.get("moved"):
        yield "its node selector or affinity is another one"


def _spread(rollout: Rollout) -> Iterator[str]:
    zones = rollout.measured.get("zones", {})
    if not rollout.measured.get("spread"):
        yield "no constraint spreads its pods over zones"
    elif max(zones.values(), default=0) - min(zones.values(), default=0) > 1 or "" in zones:
        yield "its pods are not spread evenly"


def _zone(rollout: Rollout) -> Iterator[str]:
    zones = rollout.measured.get("zones", {})
    left = (sum(zones.values()) - max(zones.values(), default=0)) * rollout.new.rps
    if left < rollout.peak:
        yield f"without one zone it serves {left} requests a second of {rollout.peak}"


def _disruption(rollout: Rollout) -> Iterator[str]:
    budgets = rollout.measured.get("budgets", ())
    if len(budgets) != 1:
        yield f"{len(budgets)} disruption budgets choose its pods"
        return
    keeps, replicas = budgets[0]["keeps"], rollout.measured["replicas"]
    if keeps >= replicas:
        yield "its disruption budget lets no pod be evicted"
    if keeps * rollout.new.rps < rollout.peak:
        yield f"its disruption budget keeps {keeps} pods, too few for {rollout.peak} a second"


def _resources(rollout: Rollout) -> Iterator[str]:
    rules, measured = rollout.book.rules, rollout.measured
    if abs(measured.get("cpu", 0.0) - measured.get("cpu_was", 0.0)) > _ROUNDING:
        yield f"a pod requests {measured['cpu']:g} CPU, not {measured['cpu_was']:g}"
    asked, limit = measured.get("memory_mib", 0.0), measured.get("limit_mib")
    needed = rules.memory_factor * rollout.new.memory_mib
    if asked + _ROUNDING < needed:
        yield f"a pod requests {asked:.0f} MiB of {needed:.0f}"
    if limit is None or not asked <= limit <= rules.limit_factor * asked + _ROUNDING:
        yield "its memory limit is below its request, too far above it, or not there"


def _window(rollout: Rollout) -> Iterator[str]:
    rules = rollout.book.rules
    if rollout.book.release.critical:
        return
    for stage in rollout.stages:
        ahead = timedelta(minutes=rollout.service.utc_offset_min)
        local, end = stage.at + ahead, stage.end + ahead
        day = local.replace(hour=0, minute=0, second=0, microsecond=0)
        first, last, close = (
            day + timedelta(hours=hour)
            for hour in (rules.first_hour, rules.last_hour, rules.end_hour)
        )
        if local.weekday() not in rules.weekdays or not first <= local <= last or end > close:
            yield f"the stage at {stage.at:%d %b %H:%M} is outside the change window"


def _calendar(rollout: Rollout) -> Iterator[str]:
    concerned = {"everybody", rollout.order.service.partition("/")[0]}
    for entry in rollout.book.calendar:
        passed = entry.kind == "freeze" and not entry.hard and rollout.book.release.critical
        if passed or entry.concerns not in concerned:
            continue
        for stage in rollout.stages:
            if stage.at < entry.end and stage.end > entry.start:
                yield f"the stage at {stage.at:%d %b %H:%M} meets: {entry.note}"


def _steps(rollout: Rollout) -> Iterator[str]:
    tier, stages = rollout.tier, rollout.stages
    soak = tier.soak_min / (2 if rollout.book.release.critical else 1)
    if len(stages) < tier.stages:
        yield f"{len(stages)} stages of at least {tier.stages}"
    if not stages or stages[-1].percent != 100:
        yield "the last stage is not at 100 %"
    if stages and stages[0].percent > tier.first_percent:
        yield f"the first stage is of {stages[0].percent} %"
    if any(stage.soak_min < soak for stage in stages):
        yield f"a stage soaks less than {soak:g} minutes"
    for one, other in pairwise(stages):
        if not one.percent < other.percent <= tier.growth * one.percent:
            yield f"from {one.percent} % to {other.percent} % in one stage"
        if other.at < one.end:
            yield f"the stage at {other.at:%d %b %H:%M} begins before the one before has soaked"


def _precedence(rollout: Rollout) -> Iterator[str]:
    for called in rollout.service.calls:
        end = rollout.ends.get(called)
        if end is not None and rollout.stages and rollout.stages[0].at < end:
            yield f"it begins before {called}, which it calls, is done"


def _deadline(rollout: Rollout) -> Iterator[str]:
    release = rollout.book.release
    if any(stage.end > release.deadline for stage in rollout.stages):
        yield "it is not done by the deadline"
    if any(stage.at < rollout.book.now for stage in rollout.stages):
        yield "it begins in the past"


def _demand(rollout: Rollout) -> Iterator[str]:
    """Compare what pods can serve with the forecast, from the first stage on."""
    book, replicas = rollout.book, int(rollout.measured.get("replicas", 0))
    old = rollout.service.tests[rollout.running].rps
    hour = timedelta(hours=1)
    percents = [0, *(stage.percent for stage in rollout.stages)]
    ends = [*(stage.at for stage in rollout.stages[1:]), book.forecast_end]
    for before, stage, end in zip(percents, rollout.stages, ends, strict=False):
        steady = _capacity(replicas, stage.percent, old, rollout.new.rps)
        lowest = min(steady, _capacity(replicas, before, old, rollout.new.rps))
        lowest -= int(rollout.measured.get("missing", 0)) * max(old, rollout.new.rps)
        for served, start, until in (
            (lowest, stage.at, stage.at + timedelta(minutes=1)),
            (steady, stage.at + hour, end),
        ):
            wanted = book.demand(rollout.order.service, start, until) if start < until else 0
            if served * book.rules.utilization < wanted:
                yield f"after {stage.at:%d %b %H:%M} it can serve {served}, and {wanted} come"


def _canary(rollout: Rollout) -> Iterator[str]:
    replicas, card = rollout.measured.get("replicas", 0), rollout.service
    if not rollout.stages or not replicas:
        yield "nothing is rolled out"
        return
    first = rollout.stages[0]
    pods = math.ceil(replicas * first.percent / 100)
    until = first.at + timedelta(minutes=card.detection_min)
    rps = rollout.book.demand(rollout.order.service, first.at, until)
    staked = pods / replicas * rps * card.detection_min * 60
    most = rollout.book.rules.canary_share * card.errors_left
    if staked > most * (1 + _ROUNDING):
        yield f"the first stage stakes {staked:.0f} requests of {most:.0f}"


def _gates(rollout: Rollout) -> Iterator[str]:
    objective = rollout.service.objective
    for stage in rollout.stages:
        gates = dict(stage.gates)
        for indicator, most in objective.items():
            if gates.get(indicator, math.inf) > most:
                yield f"the stage at {stage.at:%d %b %H:%M} has no gate on {indicator} at {most:g}"


def _rollback(rollout: Rollout) -> Iterator[str]:
    if list(rollout.rollback) != [rollout.running]:
        yield f"the image to go back to is not {rollout.running}"


def over_budget(rollout: Rollout) -> Iterator[str]:
    """Yield by how much a month of all replicas is too expensive."""
    prices, measured = rollout.book.prices, rollout.measured
    gib = measured.get("memory_mib", 0.0) / _MEBI_IN_GIBI
    pod = measured.get("cpu", 0.0) * prices.cpu + gib * prices.gib
    cost = measured.get("replicas", 0) * pod * prices.hours
    budget = rollout.service.monthly_budget
    if cost > budget * (1 + _ROUNDING):
        yield f"a month costs {cost:.2f} EUR of {budget:.2f}"


def _capacity(replicas: int, percent: int, old: int, new: int) -> int:
    """Return the requests a second that pods of both images serve together."""
    renewed = math.ceil(replicas * percent / 100)
    return renewed * new + (replicas - renewed) * old


MANIFESTS: Mapping[str, Rule] = {
    "accepted": _accepted, "image": _image, "complete": _complete, "scope": _scope,
    "guards": _guards,
}  # fmt: skip
PLACEMENT: Mapping[str, Rule] = {
    "spread": _spread, "zone": _zone, "disruption": _disruption, "resources": _resources,
}  # fmt: skip
SCHEDULE: Mapping[str, Rule] = {
    "window": _window, "calendar": _calendar, "steps": _steps, "precedence": _precedence,
    "deadline": _deadline,
}  # fmt: skip
SERVICE_LEVELS: Mapping[str, Rule] = {
    "demand": _demand, "canary": _canary, "gates": _gates, "rollback": _rollback,
}  # fmt: skip
