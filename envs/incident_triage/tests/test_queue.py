"""What every queue promises, without its telemetry being written."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fleetgym_env_incident_triage.acts.rules import RULES
from fleetgym_env_incident_triage.desk import VERDICT_OF
from fleetgym_env_incident_triage.queue import Queue, draw_queue
from fleetgym_env_incident_triage.scenarios import scenarios
from fleetgym_env_incident_triage.stories import plan_of
from fleetgym_estate.estate_draw import draw_estate
from fleetgym_estate.schema import TABLES
from fleetgym_graders.report import RECORD_ID
from fleetgym_kb import runbooks

if TYPE_CHECKING:
    from fleetgym.contracts.scenario import Scenario

SEEDS = range(25)

each_scenario = pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.id)


@cache
def _queue(scenario: str, seed: int) -> Queue:
    plan = next(plan_of(told) for told in scenarios() if told.id == scenario)
    return draw_queue(plan, draw_estate(seed), np.random.default_rng([seed, 7]))


def _reasons(queue: Queue) -> list[str]:
    return [queue.desk.judge(act, RULES[act.rule]) for act in queue.alerted]


@each_scenario
def test_a_queue_is_drawn_the_same_again_and_otherwise_for_another_seed(scenario: Scenario) -> None:
    again = draw_queue(plan_of(scenario), draw_estate(3), np.random.default_rng([3, 7]))
    assert again.alerted == _queue(scenario.id, 3).alerted
    assert again.desk.to_json() == _queue(scenario.id, 3).desk.to_json()
    assert again.alerted != _queue(scenario.id, 4).alerted


@each_scenario
@pytest.mark.parametrize("seed", SEEDS)
def test_three_to_five_of_ten_alerts_are_true_and_the_others_false_for_many_reasons(
    scenario: Scenario, seed: int
) -> None:
    queue = _queue(scenario.id, seed)
    reasons = _reasons(queue)
    true = reasons.count("malicious_activity")
    assert len(reasons) == plan_of(scenario).alerts
    assert 0.3 <= true / len(reasons) <= 0.5
    assert len(set(reasons)) >= 5
    assert len({VERDICT_OF[reason] for reason in reasons}) == 3


@each_scenario
@pytest.mark.parametrize("seed", SEEDS)
def test_the_intrusion_has_silent_stages_that_follow_from_those_that_raised_alerts(
    scenario: Scenario, seed: int
) -> None:
    queue = _queue(scenario.id, seed)
    shown = [act for act in queue.intrusion if act in queue.alerted]
    hidden = [act for act in queue.intrusion if act not in queue.alerted]
    assert 1 <= len(hidden) <= 4
    origins = {act.origin for act in shown if not act.origin.startswith("10.")}
    pairs = {(act.account, act.origin) for act in shown}
    for act in hidden:
        assert act.origin in origins or (act.account, act.origin) in pairs


@each_scenario
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_honest_comes_by_the_intruders_ways(scenario: Scenario, seed: int) -> None:
    queue = _queue(scenario.id, seed)
    origins = {a.origin for a in queue.intrusion if not a.origin.startswith("10.")}
    pairs = {(act.account, act.origin) for act in queue.intrusion}
    honest = [a for a in (*queue.alerted, *queue.silent) if a not in queue.intrusion]
    assert not [a for a in honest if a.origin in origins or (a.account, a.origin) in pairs]


@each_scenario
@pytest.mark.parametrize("seed", SEEDS)
def test_every_true_alert_has_an_entry_in_the_calendar_that_is_close_and_not_it(
    scenario: Scenario, seed: int
) -> None:
    queue = _queue(scenario.id, seed)
    for act in queue.intrusion:
        if act in queue.alerted:
            rule = RULES[act.rule]
            assert not any(change.covers(act, rule) for change in queue.desk.changes)
            assert any(
                (c.account == act.account) + (c.asset == act.target) + (c.origin == act.origin) >= 2
                for c in queue.desk.changes
            )


@each_scenario
def test_no_rule_says_by_itself_whether_an_alert_is_true(scenario: Scenario) -> None:
    counts: dict[str, Counter[bool]] = {}
    for seed in SEEDS:
        queue = _queue(scenario.id, seed)
        for act in queue.alerted:
            counts.setdefault(act.rule, Counter())[act in queue.intrusion] += 1
    often = {rule: count for rule, count in counts.items() if count.total() >= 20}
    assert often
    shares = {rule: count[True] / count.total() for rule, count in often.items()}
    assert {rule for rule, share in shares.items() if share > 0.85} == set()
    assert sum(share > 0 for share in shares.values()) >= 4


@each_scenario
def test_stages_come_in_different_orders(scenario: Scenario) -> None:
    orders = {tuple(act.rule for act in _queue(scenario.id, seed).intrusion) for seed in SEEDS}
    assert len(orders) >= 5


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_an_act_that_came_to_nothing_and_one_that_did_not_leave_the_same_kind_of_rows(
    rule: object,
) -> None:
    name = getattr(rule, "name", "")
    acts = [
        (seed, act)
        for scenario in scenarios()
        for seed in SEEDS
        for act in _queue(scenario.id, seed).alerted
        if act.rule == name
    ][:6]
    assert acts
    for seed, act in acts:
        estate = draw_estate(seed)
        for effective in (True, RULES[name].refusable is False):
            told = RULES[name].write(
                estate, np.random.default_rng(1), replace(act, effective=effective)
            )
            core = [event for event in told.events if event.asked_for]
            assert core
            assert {event.table for event in core} <= set(TABLES)


@pytest.mark.parametrize("name", RULES)
def test_each_rule_has_a_runbook_that_names_its_activity(name: str) -> None:
    book = next(book for book in runbooks.load() if book.name == name)
    assert f"**Calendar activity.** `{RULES[name].activity}`" in book.text
    assert ("unusual origins: a gateway" in book.text) == RULES[name].about_origins


def test_the_runbooks_name_every_technique_that_an_act_can_be() -> None:
    named = {name: next(b for b in runbooks.load() if b.name == name).text for name in RULES}
    for scenario in scenarios():
        for seed in range(6):
            estate = draw_estate(seed)
            for act in _queue(scenario.id, seed).intrusion:
                told = RULES[act.rule].write(estate, np.random.default_rng(seed), act)
                assert told.technique in named[act.rule]


def test_the_runbook_of_reports_names_the_record_id_of_every_table() -> None:
    book = next(b for b in runbooks.load() if b.name == "writing-the-incident-report")
    for table, column in RECORD_ID.items():
        line = next(line for line in book.text.splitlines() if f"`{table}`" in line)
        assert f"`{column}`" in line


def test_an_entry_covers_an_act_only_if_all_of_it_fits() -> None:
    queue = _queue("triage/linux-intrusion", 1)
    act, rule, change = next(
        (act, RULES[act.rule], change)
        for act in queue.alerted
        for change in queue.desk.changes
        if change.covers(act, RULES[act.rule])
    )
    changed = (
        replace(change, status="rejected"),
        replace(change, asset="elsewhere"),
        replace(change, account="somebody"),
        replace(change, origin="192.0.2.1"),
        replace(change, activity="gardening"),
        replace(change, start=change.end),
        replace(change, end=change.start),
    )
    assert [entry for entry in changed if entry.covers(act, rule)] == []


@each_scenario
def test_the_calendar_alone_does_not_give_the_intruder_away(scenario: Scenario) -> None:
    """Neither by who stands in it most often, nor by the order of its numbers."""
    oftenest = lowest = 0
    for seed in SEEDS:
        queue = _queue(scenario.id, seed)
        pairs = Counter((c.account, c.origin) for c in queue.desk.changes)
        intruder = {(act.account, act.origin) for act in queue.intrusion}
        top = max(pairs.values())
        best = {pair for pair, count in pairs.items() if count == top}
        oftenest += len(best & intruder) / len(best) > 0.5
        first = min(queue.desk.changes, key=lambda change: change.id)
        lowest += any(first.covers(act, RULES[act.rule]) for act in queue.alerted)
    assert oftenest <= 0.3 * len(SEEDS)
    assert lowest <= 0.5 * len(SEEDS)


@each_scenario
def test_coming_twice_from_one_address_is_no_sign_of_an_intruder(scenario: Scenario) -> None:
    honest = 0
    for seed in SEEDS:
        queue = _queue(scenario.id, seed)
        ways = Counter((a.account, a.origin) for a in (*queue.alerted, *queue.silent))
        intruder = {(act.account, act.origin) for act in queue.intrusion}
        honest += sum(count > 1 for way, count in ways.items() if way not in intruder)
    assert honest >= len(SEEDS)
