"""One seed's version of a scenario: a platform, a release that waits, and its limits."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from fleetgym_cluster.releases.book import Book, Entry, Release
from fleetgym_cluster.releases.documents import NAMES
from fleetgym_cluster.releases.toolset import RELEASES
from fleetgym_cluster.toolset import CLUSTER
from fleetgym_env_rollout_planning.calendar import closed_to, draw_calendar
from fleetgym_env_rollout_planning.rules import draw_prices, draw_rules
from fleetgym_env_rollout_planning.services import (
    draw_card,
    draw_forecast,
    draw_service,
    draw_teams,
    forecast_start,
)
from fleetgym_env_rollout_planning.timetable import Timetable, Window, ladder
from fleetgym_graders.rollout import RolloutTruth
from fleetgym_platform.platform import draw_platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from fleetgym.contracts.scenario import Scenario
    from fleetgym_cluster.releases.book import Rules
    from fleetgym_env_rollout_planning.services import Drawn
    from fleetgym_platform.platform import App, Platform

__all__ = ["generate"]

_GENERAL_NODES = 6
_FEW = 0.3
"""The share of possible starts that an error budget leaves."""

_REASONS = ("new features", "a faster parser", "translations", "a rewrite of the cache")
_URGENT = ("a vulnerability that is being exploited", "a leak of credentials in logs")


def generate(scenario: Scenario, seed: int, directory: Path) -> tuple[str, RolloutTruth]:
    """Write the release of ``seed`` into ``directory``; return the prompt and the truth."""
    rng = random.Random(f"{scenario.id} {seed}")  # noqa: S311 - reproducible, not secret
    parameters = scenario.parameters
    platform = draw_platform(rng, general=_GENERAL_NODES)
    rules, prices = draw_rules(rng), draw_prices(rng)
    apps = _chosen(platform, parameters["services"])
    teams = draw_teams(rng)
    drawn = [
        draw_service(platform, app, team, (rules, prices), parameters)
        for app, team in zip(apps, teams, strict=False)
    ]
    _fit_quotas(platform, drawn)
    release, calendar, errors = _scheduled(platform, rules, drawn, parameters)
    cards = {
        one.name: replace(one.card, errors_left=left)
        for one, left in zip(drawn, errors, strict=True)
    }
    forecasts = {one.name: one.forecast for one in drawn}
    for app in _neighbours(platform, apps):
        name = f"{app.namespace}/{app.name}"
        rps = rng.randrange(40, 180, 5)
        cards[name] = draw_card(
            platform, app, rng.choice(teams), tier=rng.choice((1, 2, 3)), rps=rps
        )
        forecasts[name] = draw_forecast(platform, rng.randint(1, 3) * rps, campaign=False)
    book = Book(
        now=platform.now, release=release, services=dict(sorted(cards.items())),
        forecast_start=forecast_start(platform), forecasts=dict(sorted(forecasts.items())),
        calendar=calendar, rules=rules, prices=prices,
    )  # fmt: skip
    (directory / CLUSTER).write_text(json.dumps(platform.cluster().to_json()), "utf-8")
    (directory / RELEASES).write_text(json.dumps(book.to_json()), "utf-8")
    truth = RolloutTruth(
        book=book,
        running={one.name: one.app.image for one in drawn},
        documents=list(NAMES),
    )
    return scenario.prompt.format(now=f"{platform.now:%Y-%m-%d %H:%M}", release=release.id), truth


def _chosen(platform: Platform, count: int) -> list[App]:
    """Return a service, or one and another that it calls, in that order."""
    serving = [app for app in _services(platform) if not app.claim]
    if count == 1:
        return [platform.rng.choice(serving)]
    pairs = [(app, called) for app in serving for called in app.calls.values() if called in serving]
    return list(platform.rng.choice(pairs))


def _services(platform: Platform) -> list[App]:
    return [app for app in platform.apps if app.kind == "Deployment" and app.program.port]


def _neighbours(platform: Platform, apps: Sequence[App]) -> list[App]:
    """Return the other services that call these, or are called by them."""
    return [
        other
        for other in _services(platform)
        if other not in apps
        and any(other in app.calls.values() or app in other.calls.values() for app in apps)
    ]


def _fit_quotas(platform: Platform, drawn: Sequence[Drawn]) -> None:
    """Leave room in the namespaces for each rollout's replicas and one pod more, and no further."""
    for namespace in {one.app.namespace for one in drawn}:
        mine = {one.app.name: one for one in drawn if one.app.namespace == namespace}
        pods = cpu = memory = 0
        for app in platform.apps:
            if app.namespace != namespace:
                continue
            one = mine.get(app.name)
            count = one.replicas + 1 if one else app.replicas
            pods += count
            cpu += 100 * count
            memory += count * (math.ceil(1.05 * one.memory_mib) if one else app.memory_mib // 2)
        quota = next(iter(platform.objects.of("ResourceQuota", namespace)))
        quota["spec"]["hard"] = {
            "requests.cpu": f"{cpu + 50}m", "requests.memory": f"{memory}Mi", "pods": str(pods),
        }  # fmt: skip


def _scheduled(
    platform: Platform, rules: Rules, drawn: Sequence[Drawn], parameters: Mapping[str, Any]
) -> tuple[Release, list[Entry], list[int]]:
    """Draw deadline, calendar and error budgets until there are plans, and obvious ones fail."""
    rng, now = platform.rng, platform.now
    first, last = parameters["hours"]
    concerned = list(dict.fromkeys(one.app.namespace for one in drawn))
    others = [name for name in platform.namespaces if name not in concerned]
    number = f"REL-{rng.randint(1000, 9999)}"
    reason = rng.choice(_URGENT if parameters["critical"] else _REASONS)
    for attempt in count():
        hours = rng.randint(first, last) + attempt // 20
        deadline = forecast_start(platform) + timedelta(hours=hours)
        calendar = draw_calendar(rng, now, deadline, concerned, others)
        release = Release(
            id=number, reason=reason, critical=parameters["critical"], deadline=deadline,
            orders=[one.order for one in drawn],
        )  # fmt: skip
        errors = _error_budgets(now, rules, release, drawn, calendar)
        if errors is not None and _matters(now, rules, release, drawn, calendar):
            return release, calendar, errors
    raise AssertionError("unreachable")


def _error_budgets(
    now: datetime,
    rules: Rules,
    release: Release,
    drawn: Sequence[Drawn],
    calendar: Sequence[Entry],
) -> list[int] | None:
    """Return error budgets that leave a few of the possible starts; None if there are none."""
    found: dict[str, int] = {}
    after = now
    for one in reversed(drawn):  # what is called comes before who calls it
        table = _timetable(one, rules, release, calendar)
        possible = list(table.starts(after, lambda _: True))
        if len(possible) < 1 / _FEW:
            return None
        stakes = sorted(_stake(one, start, now) for start in possible)
        most = stakes[int(len(stakes) * _FEW)]
        found[one.name] = math.ceil(most / rules.canary_share / 100) * 100
        start = next(at for at in possible if _stake(one, at, now) <= most)
        stages = table.stages(start)
        assert stages is not None
        after = stages[-1] + table.soak
    return [found[one.name] for one in drawn]


def _matters(
    now: datetime,
    rules: Rules,
    release: Release,
    drawn: Sequence[Drawn],
    calendar: Sequence[Entry],
) -> bool:
    """Return whether the calendar is in the way of what would be first without it."""
    one = drawn[-1]
    with_it, without = (
        next(_timetable(one, rules, release, entries).starts(now, lambda _: True), None)
        for entries in (calendar, ())
    )
    return with_it != without


def _timetable(one: Drawn, rules: Rules, release: Release, calendar: Sequence[Entry]) -> Timetable:
    tier = rules.tiers[one.card.tier]
    window = Window(
        weekdays=rules.weekdays, first_hour=rules.first_hour, last_hour=rules.last_hour,
        end_hour=rules.end_hour, ahead=timedelta(minutes=one.card.utc_offset_min),
    )  # fmt: skip
    return Timetable(
        percents=ladder(tier.first_percent, tier.growth, tier.stages, one.replicas),
        soak=timedelta(minutes=tier.soak_min // 2 if release.critical else tier.soak_min),
        deadline=release.deadline,
        window=None if release.critical else window,
        closed=closed_to(calendar, one.app.namespace, critical=release.critical),
    )


def _stake(one: Drawn, start: datetime, now: datetime) -> float:
    """Return the requests that a first stage of one pod puts at stake."""
    begin, hour = now.replace(minute=0, second=0, microsecond=0), timedelta(hours=1)
    until = start + timedelta(minutes=one.card.detection_min)
    touched = one.forecast[(start - begin) // hour : -((begin - until) // hour)]
    return max(touched) / one.replicas * one.card.detection_min * 60
