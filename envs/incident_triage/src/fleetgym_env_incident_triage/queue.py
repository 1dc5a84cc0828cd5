"""Drawing a queue: the intrusion's acts, the honest ones that raise alerts, and the desk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from fleetgym_env_incident_triage.acts.act import Act, Rule
from fleetgym_env_incident_triage.acts.rules import RULES
from fleetgym_env_incident_triage.cast import Cast, outside, unused
from fleetgym_env_incident_triage.desk import Card, Desk
from fleetgym_env_incident_triage.records import Records
from fleetgym_estate.drawing import one, some

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator

    from fleetgym_estate.estate import Estate

__all__ = ["Plan", "Queue", "draw_queue"]

_TRIES = 60
_BUSINESS = frozenset({"approved_change", "emergency_drill", "routine_work", "inaccurate_data"})
_REASONS = (
    *("approved_change", "approved_change", "emergency_drill", "sanctioned_scan"),
    *("routine_work", "inaccurate_data", "incorrect_logic", "incorrect_logic"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a scenario decides."""

    intrude: Callable[[Estate, Generator], list[Act]]
    """Draws the intrusion, in order of time."""

    rules: Sequence[str]
    """That honest acts may raise alerts of."""

    alerts: int
    true: int
    """Alerts of the intrusion; at least one of its acts raises none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """All acts of an instance, and the desk that tells them apart."""

    desk: Desk
    intrusion: tuple[Act, ...]
    alerted: tuple[Act, ...]
    """In order of time; some of the intrusion and all that are honest."""

    silent: tuple[Act, ...]
    """Honest acts without an alert: owners and colleagues who go on working."""


class _Unlucky(Exception):
    """The dice have made two things one; throw again."""


def draw_queue(plan: Plan, estate: Estate, rng: Generator) -> Queue:
    """Return a queue in which each alert has the verdict that was meant."""
    for _ in range(_TRIES):
        try:
            return _Drawing(plan, estate, rng).queue()
        except _Unlucky:
            continue
    raise AssertionError(f"no consistent queue for seed {estate.seed}")


class _Drawing:
    """A queue in the making."""

    def __init__(self, plan: Plan, estate: Estate, rng: Generator) -> None:
        self._plan = plan
        self._estate = estate
        self._rng = rng
        self._desk = Desk(estate)
        self._meant: list[tuple[Act, str]] = []
        self._intrusion = plan.intrude(estate, rng)
        self._cast = Cast(estate, rng, self._desk, self._intrusion)
        self._numbers = iter(some(rng, range(1000, 9999), 200))
        self._records = Records(self._cast, self._numbers)
        self._own_assets()

    def queue(self) -> Queue:
        """Draw everything else."""
        shown = self._shown()
        self._meant = [(act, "malicious_activity") for act in shown]
        for rule, reason in self._honest(self._plan.alerts - len(shown)):
            self._meant.append((self._act(rule, reason), reason))
        silent = [*self._silent(shown), *self._companions()]
        self._decoys()
        self._check(silent)
        alerted = sorted((act for act, _ in self._meant), key=lambda act: act.at)
        return Queue(
            desk=self._desk,
            intrusion=tuple(self._intrusion),
            alerted=tuple(alerted),
            silent=tuple(silent),
        )

    def _check(self, silent: Sequence[Act]) -> None:
        """Throw again if an act is judged otherwise than meant, or two cannot be told apart."""
        every = [*self._intrusion, *(act for act, _ in self._meant), *silent]
        for act in self._intrusion:
            if self._desk.judge(act, RULES[act.rule]) != "malicious_activity":
                raise _Unlucky
        for act, reason in self._meant:
            if self._desk.judge(act, RULES[act.rule]) != reason:
                raise _Unlucky
        keys = {act.key for act in dict.fromkeys(every)}
        if len(keys) != len(dict.fromkeys(every)):
            raise _Unlucky
        pairs = {(act.account, act.origin) for act in self._intrusion}
        origins = {act.origin for act in self._intrusion if not act.origin.startswith("10.")}
        honest = [*silent, *(act for act, reason in self._meant if reason != "malicious_activity")]
        if any(a.origin in origins or (a.account, a.origin) in pairs for a in honest):
            raise _Unlucky
        end = self._estate.end - timedelta(minutes=20)
        if any(not self._estate.start <= act.at < end for act in every):
            raise _Unlucky

    def _shown(self) -> list[Act]:
        """Return the acts of the intrusion that raise alerts; the rest can be found from them."""
        count = len(self._intrusion)
        for _ in range(_TRIES):
            hidden = some(self._rng, self._intrusion, max(1, count - self._plan.true))
            shown = [act for act in self._intrusion if act not in hidden]
            pairs = {(act.account, act.origin) for act in shown}
            origins = {act.origin for act in shown if not act.origin.startswith("10.")}
            if all(h.origin in origins or (h.account, h.origin) in pairs for h in hidden):
                return shown
        raise _Unlucky

    def _own_assets(self) -> None:
        """Give each asset an owner and an environment."""
        estate, rng, desk = self._estate, self._rng, self._desk
        for host in estate.hosts:
            desk.owner[host.name] = one(rng, estate.linux_users).name
            desk.environment[host.name] = _environment(rng)
        for asset in (*estate.key_vaults, *estate.storage_accounts):
            desk.owner[asset.name] = one(rng, estate.administrators).upn
            desk.environment[asset.name] = _environment(rng)
        for cluster in estate.clusters:
            desk.owner[cluster.name] = one(rng, estate.kubernetes_users).upn
            stage = "development" if "-staging-" in cluster.name else "production"
            desk.environment[cluster.name] = stage

    def _honest(self, count: int) -> list[tuple[Rule, str]]:
        """Return rules and reasons; half of the rules are those of the intrusion."""
        rng = self._rng
        own = [act.rule for act in self._intrusion]
        pool = [
            *some(rng, own, min(len(own), (count + 1) // 2)),
            *(one(rng, self._plan.rules) for _ in range(count)),
        ]
        reasons = [*some(rng, _REASONS, len(_REASONS)), *some(rng, _REASONS, len(_REASONS))]
        found: list[tuple[Rule, str]] = []
        for reason in reasons:
            fitting = [name for name in pool if _possible(RULES[name], reason)]
            if fitting and len(found) < count:
                pool.remove(fitting[0])
                found.append((RULES[fitting[0]], reason))
        if len(found) < count:
            raise _Unlucky
        return found

    def _act(self, rule: Rule, reason: str) -> Act:
        """Return an honest act, with what makes it so at the desk."""
        asset, thing = self._cast.asset(rule)
        account = self._cast.account(rule, thing)
        act = Act(
            rule=rule.name,
            account=account,
            origin=self._cast.origin(rule, account),
            asset=asset,
            thing=thing,
            at=self._cast.when(),
            effective=reason != "incorrect_logic",
        )
        match reason:
            case "approved_change":
                self._desk.changes.append(self._records.covering(act, rule, "change"))
            case "emergency_drill":
                self._desk.changes.append(self._records.covering(act, rule, "drill"))
            case "inaccurate_data":
                inside = rule.name.startswith("linux") and self._rng.random() < 0.5
                address = unused(self._rng) if inside else outside(self._estate, self._rng)
                act = replace(act, origin=address)
                self._desk.cards.append(self._records.gateway(address))
            case "sanctioned_scan":
                act = self._scan(act, rule)
            case "routine_work":
                act = self._routine(act)
            case _:
                pass
        return act

    def _scan(self, act: Act, rule: Rule) -> Act:
        """Let a scanner do it, in its hours."""
        rng, estate = self._rng, self._estate
        first = int(rng.integers(0, 19))
        at = estate.start + timedelta(
            days=int(rng.integers(0, 2)), hours=first, minutes=int(rng.integers(5, 170))
        )
        account = f"svc-{one(rng, ('scan', 'audit', 'posture', 'assess'))}"
        if not rule.name.startswith("linux"):
            account += f"@{estate.domain}"
        address = unused(rng)
        name = f"scanner-{next(self._numbers)}"
        self._desk.cards.append(
            Card(
                name=name,
                kind="scanner",
                address=address,
                account=account,
                hours=(first, first + 4),
            )
        )
        return replace(act, account=account, origin=address, at=at)

    def _routine(self, act: Act) -> Act:
        """Let the owner of a development asset do it, at the own workstation."""
        desk = self._desk
        reached = {known.asset for known in (*self._intrusion, *(a for a, _ in self._meant))}
        account = act.account
        if not desk.workstations(account):
            account = one(self._rng, self._estate.administrators).upn
        if act.rule.startswith("aks"):
            act = replace(act, asset=_staging(self._estate))
        elif act.asset in reached:
            raise _Unlucky
        desk.owner[act.asset] = account
        desk.environment[act.asset] = "development"
        usual = desk.workstations(account)
        origin = usual[0] if act.rule.startswith("linux") else usual[-1]
        return replace(act, account=account, origin=origin)

    def _companions(self) -> list[Act]:
        """Let those with honest business do something else as well, from the same place.

        Otherwise an origin that is seen twice would be the intruder's.
        """
        rng = self._rng
        found: list[Act] = []
        for act, reason in self._meant:
            if reason not in _BUSINESS or rng.random() < 0.3:
                continue
            rules = [name for name in _beside(act, self._estate) if name != act.rule]
            later = act.at + timedelta(minutes=float(rng.uniform(8, 45)))
            if rules:
                found.append(replace(act, rule=one(rng, rules), thing="", at=later))
        return found

    def _decoys(self) -> None:
        """Add entries that come close: to each act of the intrusion, and to most of the others.

        Those of the intrusion are mostly the owner's own work, from where the owner works: if the
        calendar had the intruder's addresses often, counting would find them.
        """
        rng, records = self._rng, self._records
        for act, reason in list(self._meant):
            if reason == "malicious_activity":
                own = rng.random() < 0.65
                self._desk.changes.append(records.owners(act) if own else records.near_miss(act))
            elif rng.random() < 0.8:
                self._desk.changes.append(records.near_miss(act))
        first = self._intrusion[0]
        if rng.random() < 0.35 and not first.origin.startswith("10."):
            day = self._estate.start - timedelta(days=int(rng.integers(2, 60)))
            self._desk.cards.append(records.gateway(first.origin, retired=f"{day:%Y-%m-%d}"))
        self._desk.cards.append(records.gateway(outside(self._estate, rng)))

    def _silent(self, shown: Sequence[Act]) -> list[Act]:
        """Let owners of stolen accounts and users of the pivots go on working."""
        rng = self._rng
        found: list[Act] = []
        for act in some(rng, shown, min(3, len(shown))):
            own = self._desk.workstations(act.account)
            if own:
                found.append(replace(act, origin=own[0], at=self._cast.when()))
            if act.origin.startswith("10."):
                account = self._cast.account(RULES[act.rule])
                if account != act.account:
                    found.append(replace(act, account=account, at=self._cast.when()))
        return found


def _beside(act: Act, estate: Estate) -> Sequence[str]:
    """Return the rules of what the same account can do on the same asset."""
    family = act.rule.partition("-")[0]
    if family == "linux":
        return [name for name in RULES if name.startswith(family)]
    if family == "aks":
        full = any(act.asset == cluster.name for cluster in estate.clusters_of("AKSAudit"))
        own = [name for name in RULES if name.startswith(family)]
        return own if full else ["aks-pod-exec", "aks-lasting-object"]
    person = act.account in estate.employee_by_upn
    return ["cloud-unusual-sign-in", "cloud-mailbox-rule"] if person and not act.asset else []


def _staging(estate: Estate) -> str:
    return next(cluster.name for cluster in estate.clusters if "-staging-" in cluster.name)


def _environment(rng: Generator) -> str:
    return "development" if rng.random() < 0.3 else "production"


def _possible(rule: Rule, reason: str) -> bool:
    if reason == "incorrect_logic":
        return rule.refusable
    if reason == "inaccurate_data":
        return rule.about_origins
    return reason in rule.reasons
