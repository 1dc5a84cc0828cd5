"""The documents that a platform's rules stand in, as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fleetgym_cluster.releases.book import Book

__all__ = ["NAMES", "documents"]

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def documents(book: Book) -> dict[str, str]:
    """Return the platform's documents, in Markdown, by their names."""
    return {
        name: f"{write(book)}\n{book.notes.get(name, '')}".rstrip()
        for name, write in _DOCUMENTS.items()
    }


def _release_policy(book: Book) -> str:
    rules = book.rules
    tiers = "\n".join(
        f"| {number} | {tier.first_percent} % | {tier.growth} times | {tier.stages} "
        f"| {tier.soak_min} minutes |"
        for number, tier in rules.tiers.items()
    )
    days = f"{_DAYS[rules.weekdays[0]]} to {_DAYS[rules.weekdays[-1]]}"
    hours = f"{rules.first_hour:02d}:00 to {rules.last_hour:02d}:00"
    return f"""# Release policy

A release is a list of stages. A stage brings a service's pods to the new version up to a
percentage of its replicas, rounded up to whole pods, and lasts from its start until its soak time
has passed. New manifests are applied with the first stage: from then on there are as many replicas
as they say.

1. **Change window.** Stages begin from {days}, from {hours}, and end by
   {rules.end_hour:02d}:00 of the same day. All of that is by the clock of the team that owns the
   service; its time zone is on the service's card. The plan itself is in UTC.
2. **Calendar.** While a stage lasts, no entry of the change calendar is in force that concerns
   everybody or the service's namespace: no freeze, no maintenance, no rollout of somebody else.
3. **Stages.** By the service's tier:

   | tier | first stage at most | each stage at most | stages at least | each lasts at least |
   | --- | --- | --- | --- | --- |
{_indented(tiers)}

   "Each stage at most" is in multiples of the percentage before. A stage begins when the one
   before it has ended. The last one is at 100 %.
4. **Order.** If a release has a service and one that it calls, the one that is called comes first:
   the caller's first stage begins when the last stage of the other has ended.
5. **Gates.** Each stage names, for both indicators of the service's objective, the value at which
   it is stopped; none is looser than the objective.
6. **Rollback.** The plan names, for each service, the image to go back to: the one that runs today.
7. **Critical releases.** They need no change window, pass freezes that the calendar calls soft,
   and soak half as long. Hard freezes, maintenance and rollouts of somebody else hold for them.
8. **Deadline.** The last stage has ended by the deadline of the request.
9. **Scope.** A release changes its services' Deployments, their PodDisruptionBudgets and their
   ConfigMaps, and adds to the latter only. Probes, security settings, tolerations and node
   selectors stay. Quotas are other people's business.
"""


def _capacity_standard(book: Book) -> str:
    rules = book.rules
    return f"""# Capacity standard

What a pod serves depends on its image; the service's card has the load tests.

1. **Demand.** From the first stage until the forecast ends, {rules.utilization:.0%} of what all
   ready pods can serve is at least the forecast. In the hours in which a stage begins, as many pods
   are missing as the strategy's `maxUnavailable` allows, those that serve most.
2. **Zone.** After the release, without the zone that has most of the service's pods, the others
   can serve all of the highest forecast.
3. **Spread.** The pods have a topology spread constraint over `topology.kubernetes.io/zone` with
   `maxSkew: 1` and `whenUnsatisfiable: DoNotSchedule`, whose selector chooses them.
4. **Disruption.** Exactly one PodDisruptionBudget chooses the service's pods. It keeps as many as
   can serve the highest forecast, and lets at least one be evicted.
5. **Resources.** A pod requests the CPU that it requests today. It requests memory of at least
   {rules.memory_factor:g} times the 99th percentile of the load test, and has a memory limit of at
   least its request and at most {rules.limit_factor:g} times that.
6. **Room.** The rollout, with the surge of its strategy (Kubernetes' default is a quarter of the
   replicas), stays within the quota of the namespace.
"""


def _error_budget_policy(book: Book) -> str:
    return f"""# Error budget policy

A first stage may fail altogether. What it can put at stake is its share of the pods, times the
highest forecast in the hours from its start until an alert fires (requests a second), times the
minutes until then, times 60. This is at most {book.rules.canary_share:.0%} of the requests that the
service's error budget has left. Card and forecast have the numbers; the time of day matters.
"""


def _cost_policy(book: Book) -> str:
    prices = book.prices
    return f"""# Cost policy

Requested resources cost {prices.cpu:.4f} EUR for a CPU and hour, and {prices.gib:.4f} EUR for a GiB
of memory and hour; a month has {prices.hours} hours. After the release, all replicas of a service
cost no more than the monthly budget on its card.
"""


def _indented(text: str) -> str:
    return "\n".join(f"   {line}" for line in text.splitlines())


_DOCUMENTS: Mapping[str, Callable[[Book], str]] = {
    "release-policy": _release_policy,
    "capacity-standard": _capacity_standard,
    "error-budget-policy": _error_budget_policy,
    "cost-policy": _cost_policy,
}

NAMES = tuple(_DOCUMENTS)
"""Of the documents that every platform has."""
