"""One seed's version of a scenario: its telemetry, its desk, its ground truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from fleetgym.toolserver.telemetry import DATABASE
from fleetgym_env_incident_triage.acts.rules import RULES
from fleetgym_env_incident_triage.desk import VERDICT_OF
from fleetgym_env_incident_triage.queue import draw_queue
from fleetgym_env_incident_triage.stories import plan_of
from fleetgym_estate.drawing import one, some
from fleetgym_estate.estate_draw import draw_estate
from fleetgym_estate.plant import plant
from fleetgym_estate.schema import TIME_COLUMN
from fleetgym_graders.incident import IncidentTruth, Stage, Verdict
from fleetgym_graders.report import RECORD_ID
from fleetgym_kb.desk import DESK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from numpy.random import Generator

    from fleetgym.contracts.scenario import Scenario
    from fleetgym_env_incident_triage.acts.act import Act
    from fleetgym_env_incident_triage.queue import Queue
    from fleetgym_estate.estate import Estate
    from fleetgym_estate.event import Event

__all__ = ["Instance", "generate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What was generated beside the data."""

    prompt: str
    truth: IncidentTruth


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """Where an event came to stand."""

    table: str
    rowid: int
    record: str
    at: datetime
    core: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """An act with its rows, in order of time."""

    act: Act
    technique: str
    rows: Sequence[_Row]

    @property
    def core(self) -> list[_Row]:
        return [row for row in self.rows if row.core]


def generate(scenario: Scenario, seed: int, directory: Path) -> Instance:
    """Write telemetry and desk of ``seed`` into ``directory`` and return what goes with them."""
    estate = draw_estate(seed)
    streams = np.random.SeedSequence([seed, *scenario.id.encode()]).spawn(5)
    life, drawing, writing, filler, alerting = (np.random.default_rng(s) for s in streams)
    queue = draw_queue(plan_of(scenario), estate, drawing)
    acts = list(dict.fromkeys((*queue.intrusion, *queue.alerted, *queue.silent)))
    written = [RULES[act.rule].write(estate, writing, act) for act in acts]
    events = [event for told in written for event in told.events]
    rowids = plant(directory / DATABASE, estate, events, life=life, filler=filler)
    rows = iter(_rows(directory / DATABASE, events, rowids))
    done = {
        act: _Done(
            act=act,
            technique=told.technique,
            rows=sorted((next(rows) for _ in told.events), key=lambda row: row.at),
        )
        for act, told in zip(acts, written, strict=True)
    }
    ids = _alert_ids(alerting, queue)
    alerts = [_alert(alerting, ids[act], done[act]) for act in queue.alerted]
    alerts.sort(key=lambda alert: alert["time"])
    desk = {"alerts": alerts, **queue.desk.to_json()}
    (directory / DESK).write_text(json.dumps(desk), "utf-8")
    window = {"start": f"{estate.start:%Y-%m-%d %H:%M}", "end": f"{estate.end:%Y-%m-%d %H:%M}"}
    return Instance(prompt=scenario.prompt.format(**window), truth=_truth(estate, queue, ids, done))


def _rows(path: Path, events: Sequence[Event], rowids: Sequence[int]) -> list[_Row]:
    """Return where each event came to stand, in the order of ``events``."""
    found: dict[tuple[str, int], tuple[Any, Any]] = {}
    with duckdb.connect(path, read_only=True) as connection:
        for table in {event.table for event in events}:
            ids = ", ".join(str(r) for e, r in zip(events, rowids, strict=True) if e.table == table)
            query = (
                f'SELECT rowid, "{RECORD_ID[table]}", "{TIME_COLUMN[table]}" '  # noqa: S608  # names of ours
                f'FROM "{table}" WHERE rowid IN ({ids})'
            )
            for rowid, record, at in connection.execute(query).fetchall():
                found[table, rowid] = (record, at)
    return [
        _Row(
            table=event.table,
            rowid=rowid,
            record=str(found[event.table, rowid][0]),
            at=found[event.table, rowid][1],
            core=event.asked_for,
        )
        for event, rowid in zip(events, rowids, strict=True)
    ]


def _alert_ids(rng: Generator, queue: Queue) -> dict[Act, str]:
    numbers = some(rng, range(10_000, 99_999), len(queue.alerted))
    return {act: f"ALR-{number}" for act, number in zip(queue.alerted, numbers, strict=True)}


def _alert(rng: Generator, name: str, done: _Done) -> dict[str, Any]:
    """Return an alert; nothing in it depends on who did it or whether it was allowed."""
    act, rule, core = done.act, RULES[done.act.rule], done.core
    entity = {"asset": act.asset, "account": act.account, "thing": act.thing}[rule.entity]
    raised = core[-1].at + timedelta(seconds=int(rng.integers(40, 420)))
    first = core[0]
    return {
        "id": name,
        "time": f"{raised:%Y-%m-%dT%H:%M:%SZ}",
        "severity": one(rng, ("low", "medium", "high")),
        "rule": rule.name,
        "title": rule.title.format(entity=entity),
        "entity": entity,
        "tables": sorted({row.table for row in core}),
        "first_event": f"{core[0].at:%Y-%m-%dT%H:%M:%SZ}",
        "last_event": f"{core[-1].at + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}",
        "sample": {
            "table": first.table,
            "id": first.record,
            "time": f"{first.at:%Y-%m-%dT%H:%M:%S.%fZ}",
        },
    }


def _truth(
    estate: Estate, queue: Queue, ids: Mapping[Act, str], done: Mapping[Act, _Done]
) -> IncidentTruth:
    reasons = {act: queue.desk.judge(act, RULES[act.rule]) for act in queue.alerted}
    return IncidentTruth(
        verdicts={
            ids[act]: Verdict(verdict=VERDICT_OF[reason], reason=reason)
            for act, reason in reasons.items()
        },
        runbooks=frozenset(act.rule for act in queue.alerted),
        records=frozenset(
            record
            for act, reason in reasons.items()
            if (record := _record(queue, act, reason)) is not None
        ),
        assets=frozenset(act.asset.lower() for act in queue.intrusion if act.asset),
        accounts=frozenset(_canonical(estate, act.account) for act in queue.intrusion),
        aliases=_aliases(estate),
        stages=tuple(_stage(done[act]) for act in queue.intrusion),
    )


def _record(queue: Queue, act: Act, reason: str) -> str | None:
    """Return what the desk shows of the record that makes an act benign."""
    desk, rule = queue.desk, RULES[act.rule]
    if reason in {"approved_change", "emergency_drill"}:
        return next(change.id for change in desk.changes if change.covers(act, rule))
    if reason in {"inaccurate_data", "sanctioned_scan"}:
        return next(card.name for card in desk.cards if card.address == act.origin)
    return act.asset if reason == "routine_work" else None


def _canonical(estate: Estate, account: str) -> str:
    app = estate.application_by_object_id.get(account)
    return (app.app_id if app else account).lower()


def _aliases(estate: Estate) -> dict[str, str]:
    """Return other names of assets and accounts, in lower case."""
    found = {host.name.partition(".")[0]: host.name for host in estate.hosts}
    for app in estate.applications:
        found |= {app.object_id: app.app_id, app.display_name.lower(): app.app_id}
    for asset in (*estate.clusters, *estate.key_vaults, *estate.storage_accounts):
        found[asset.resource_id.lower()] = asset.name.lower()
    return found


def _stage(done: _Done) -> Stage:
    rows: dict[str, set[int]] = {}
    core: dict[str, set[int]] = {}
    for row in done.rows:
        rows.setdefault(row.table, set()).add(row.rowid)
        if row.core:
            core.setdefault(row.table, set()).add(row.rowid)
    return Stage(
        technique=done.technique,
        began=done.core[0].at.isoformat(timespec="microseconds"),
        core={table: frozenset(ids) for table, ids in core.items()},
        rows={table: frozenset(ids) for table, ids in rows.items()},
        marks=tuple((row.record, f"{row.at:%Y-%m-%dT%H:%M:%S}") for row in done.core),
    )
