"""What there is to know of a service that is to be released: its card, forecast and guards."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from fleetgym_cluster.releases.book import LoadTest, Order, Service

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from random import Random

    from fleetgym_cluster.releases.book import Prices, Rules
    from fleetgym_platform.platform import App, Platform

__all__ = ["DAYS", "Drawn", "Team", "draw_card", "draw_forecast", "draw_service", "draw_teams"]

DAYS = 8
"""That are forecast."""

_ZONES = 3
_SIZES = (5, 6, 8, 9, 11)
"""Replicas without one of which, in three zones, the largest zone could not be missed."""

_CPU = 0.1
_OFFSETS = (-480, -420, -300, -180, 0, 60, 120, 330, 480, 540)
_TEAMS = ("amber", "basalt", "cedar", "delta", "ember", "fjord", "granite", "heron")
_SETTINGS = (
    ("REQUEST_SIGNING", "required"), ("SESSION_STORE", "shared"), ("TRACE_EXPORT", "enabled"),
    ("AUDIT_STREAM", "on"), ("CURRENCY_TABLE", "v3"),
)  # fmt: skip


class Team(NamedTuple):
    """Who owns services."""

    name: str
    utc_offset_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A service of the release."""

    app: App
    order: Order
    card: Service
    replicas: int
    """That it needs afterwards: with one less it could not miss a zone."""

    memory_mib: int
    """That each of them has to request."""

    forecast: list[int]

    @property
    def name(self) -> str:
        """Namespace and name."""
        return self.order.service


def draw_teams(rng: Random) -> list[Team]:
    """Draw who owns services, each by another clock."""
    offsets = rng.sample(_OFFSETS, len(_TEAMS))
    return [Team(*drawn) for drawn in zip(rng.sample(_TEAMS, len(_TEAMS)), offsets, strict=True)]


def draw_service(
    platform: Platform,
    app: App,
    team: Team,
    terms: tuple[Rules, Prices],
    parameters: Mapping[str, Any],
) -> Drawn:
    """Draw a service to be released, and make its workload what it is today.

    Its error budget is not settled yet: that takes a calendar.
    """
    rng, (rules, prices) = platform.rng, terms
    replicas, rps = rng.choice(_SIZES), rng.randrange(40, 180, 5)
    zone = math.ceil(replicas / _ZONES)
    peak = int((replicas - zone) * rps * rng.uniform(0.93, 0.99))
    need = round(app.program.memory_mib * rng.uniform(1.3, 1.8))
    memory = math.ceil(rules.memory_factor * need)
    order = _order(platform, app, settings=parameters["settings"])
    tier, before = rng.choice(parameters["tiers"]), round(rps * rng.uniform(1.08, 1.25))
    card = draw_card(platform, app, team, tier=tier, rps=before)
    month = replicas * (_CPU * prices.cpu + memory / 1024 * prices.gib) * prices.hours
    card = replace(
        card,
        tests={**card.tests, order.image: LoadTest(rps=rps, memory_mib=need)},
        monthly_budget=round(month * rng.uniform(1.03, 1.08), 2),
    )
    settings = (*app.program.settings, *order.settings)
    platform.images[order.image] = replace(app.program, memory_mib=need, settings=settings)
    app.replicas = replicas - zone - rng.randint(0, 1)
    platform.objects[app.ref]["spec"]["replicas"] = app.replicas
    if parameters["guards"] == "stale":
        _guard_badly(platform, app)
    return Drawn(
        app=app, order=order, card=card, replicas=replicas, memory_mib=memory,
        forecast=draw_forecast(platform, peak, campaign=parameters["campaign"]),
    )  # fmt: skip


def draw_card(platform: Platform, app: App, team: Team, *, tier: int, rps: int) -> Service:
    """Draw the card of a service, with the load test of what runs today."""
    rng = platform.rng
    return Service(
        team=team.name,
        utc_offset_min=team.utc_offset_min,
        tier=tier,
        calls=[f"{other.namespace}/{other.name}" for other in app.calls.values()],
        objective={
            "error_ratio": rng.choice((0.001, 0.002, 0.005, 0.01)),
            "latency_p99_ms": float(rng.randrange(120, 900, 10)),
        },
        tests={app.image: LoadTest(rps=rps, memory_mib=app.program.memory_mib)},
        errors_left=rng.randrange(20_000, 400_000, 100),
        detection_min=rng.randrange(8, 26),
        monthly_budget=round(rng.uniform(30, 120), 2),
    )


def draw_forecast(platform: Platform, peak: int, *, campaign: bool) -> list[int]:
    """Draw the requests a second of each hour: days and weekends, and a campaign, up to a peak."""
    rng = platform.rng
    start = forecast_start(platform)
    busiest = rng.randrange(24)
    campaign_at = rng.randrange(40, 130) if campaign else DAYS * 24
    shape: list[float] = []
    for hour in range(DAYS * 24):
        at = start + timedelta(hours=hour)
        wave = 0.5 + 0.5 * math.cos(2 * math.pi * (at.hour - busiest) / 24)
        level = (0.3 + 0.7 * wave**1.5) * rng.uniform(0.96, 1.04)
        if at.weekday() >= 5:
            level *= 0.75
        if campaign_at <= hour < campaign_at + 6:
            level = 0.6 + level
        shape.append(level)
    top = max(shape)
    return [int(peak * level / top) for level in shape]


def forecast_start(platform: Platform) -> datetime:
    """Return when the first hour of the forecast begins."""
    return platform.now.replace(minute=0, second=0, microsecond=0)


def _order(platform: Platform, app: App, *, settings: bool) -> Order:
    base, _, tag = app.image.rpartition(":")
    major, minor, _ = map(int, tag.split("."))
    image = f"{base}:{major}.{minor + 1}.{platform.rng.randint(0, 4)}"
    new = dict([platform.rng.choice(_SETTINGS)]) if settings else {}
    return Order(service=f"{app.namespace}/{app.name}", image=image, settings=new)


def _guard_badly(platform: Platform, app: App) -> None:
    """Leave a disruption budget that lets no pod go, and a constraint that binds nobody."""
    born = platform.objects[app.ref]["metadata"]["creationTimestamp"]
    chosen = {"matchLabels": {"app.kubernetes.io/name": app.name}}
    platform.objects.put(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {
                "name": app.name, "namespace": app.namespace, "creationTimestamp": born,
            },
            "spec": {"minAvailable": app.replicas, "selector": chosen},
        }
    )  # fmt: skip
    platform.template(app)["spec"]["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": chosen,
        }
    ]
    platform.amend(app)
