"""The deterministic grader of incident reports: nothing counts that is not in the telemetry.

A stage that was handed in is known by its evidence: the rows that it cites are looked up again, by
table, record id and time, and it stands for the stage of the truth that most of them make up.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.scoring import Checkpoint
from fleetgym.contracts.tools import ToolCall
from fleetgym_graders.answers import ask
from fleetgym_graders.artifact import matched_rows
from fleetgym_graders.measures import jaccard, kendall_tau, technique_jaccard
from fleetgym_graders.report import RECORD_ID, read_report
from fleetgym_graders.trajectories import facts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fleetgym.contracts.scoring import Trajectory
    from fleetgym.contracts.tools import ToolResult
    from fleetgym_graders.incident import IncidentTruth, Stage

__all__ = ["TriageGrader"]

_QUERIES = frozenset({"execute_kql_query", "execute_sql_query"})
_RECORDS = frozenset({"get_assets", "list_changes"})
_DEVICES = frozenset({"DeviceFileEvents", "DeviceProcessEvents"})
_EVIDENCE_NEEDED = 2
_LATE = timedelta(minutes=5)
_RIGHT_VERDICT_WRONG_REASON = 0.5


class TriageGrader:
    """Grades incident reports."""

    name = "triage/strict"
    version = "1"

    def read(self, answer: str) -> Mapping[str, Any]:
        """Return the report in ``answer``.

        Raises:
            ToolError: It does not have the required form.
        """
        return read_report(answer)

    def examine(
        self, artifact: Mapping[str, Any], execute: Callable[[ToolCall], ToolResult]
    ) -> Mapping[str, Any]:
        """Look up every row that is cited, in the sandbox.

        Returns:
            ``report``, and ``cited``: for each stage the row ids by table that its evidence names,
            and how many rows it named.
        """
        stages = artifact["incident"]["stages"]
        return {"report": artifact, "cited": [_look_up(stage, execute) for stage in stages]}

    def checkpoints(self, truth: IncidentTruth) -> Sequence[Checkpoint]:
        """Return the eight checkpoints of an instance."""
        table: tuple[tuple[str, float, Callable[[IncidentTruth, Trajectory], float]], ...] = (
            ("T0_queue", 0.03, _queue),
            ("T1_runbooks", 0.03, _runbooks),
            ("T2_records", 0.04, _records),
            ("T3_telemetry", 0.05, _telemetry),
            ("T4_verdicts", 0.35, _verdicts),
            ("T5_scope", 0.15, _scope),
            ("T6_kill_chain", 0.20, _kill_chain),
            ("T7_evidence", 0.15, _evidence),
        )
        return tuple(
            Checkpoint(name=name, weight=weight, reached=partial(reached, truth))
            for name, weight, reached in table
        )


def _look_up(stage: Mapping[str, Any], execute: Callable[[ToolCall], ToolResult]) -> dict[str, Any]:
    found: dict[str, list[int]] = {}
    for table in dict.fromkeys(item["table"] for item in stage["evidence"]):
        wanted = [_condition(item) for item in stage["evidence"] if item["table"] == table]
        query = f"{table}\n| where {' or '.join(dict.fromkeys(wanted))}"
        answer = ask(execute, ToolCall("grade_kql", {"query": query}))
        found |= matched_rows(answer)["matched"] if answer.get("ok") else {}
    return {"rows": found, "count": len(stage["evidence"])}


def _condition(item: Mapping[str, str]) -> str:
    """Return the condition of KQL that one cited row meets; the schema keeps quotes out of it."""
    table, record = item["table"], item["id"]
    time = "Timestamp" if table in _DEVICES else "TimeGenerated"
    same = f'tostring({RECORD_ID[table]}) == "{record}"'
    at, millisecond = _moment(item["time"]), timedelta(milliseconds=1)
    first, last = (
        f"datetime({at + shift:%Y-%m-%dT%H:%M:%S.%f})" for shift in (-millisecond, millisecond)
    )
    return f"({same} and {time} between ({first} .. {last}))"


def _moment(text: str) -> datetime:
    """Return a time in UTC, without a time zone; digits below a microsecond are dropped."""
    whole, _, rest = text.replace(" ", "T").partition(".")
    digits = "".join(c for c in rest.removesuffix("+00:00") if c.isdigit())[:6]
    whole = whole.removesuffix("Z").removesuffix("+00:00")
    try:
        return datetime.fromisoformat(f"{whole}.{digits:0<6}")
    except ValueError:
        return datetime.min + timedelta(days=1)  # noqa: DTZ901  # no such time


def _queue(truth: IncidentTruth, trajectory: Trajectory) -> float:
    """Return the share of the alerts that were opened."""
    opened = {
        name.strip().upper()
        for step in trajectory
        if step.call.name == "get_alerts" and not step.result.is_error
        for name in step.call.arguments["alert_ids"]
    }
    return len(opened & truth.verdicts.keys()) / len(truth.verdicts)


def _runbooks(truth: IncidentTruth, trajectory: Trajectory) -> float:
    """Return Jaccard over the rules whose runbooks were read; those of procedures count nothing."""
    read = {
        name.strip().lower()
        for step in trajectory
        if step.call.name == "get_runbooks" and not step.result.is_error
        for name in step.call.arguments["names"]
    }
    rules = {name for name in read if name.startswith(("aks-", "cloud-", "linux-"))}
    return jaccard(rules, truth.runbooks) if rules else 0.0


def _records(truth: IncidentTruth, trajectory: Trajectory) -> float:
    """Return the share of the deciding records that were seen."""
    texts = [s.result.content for s in trajectory if s.call.name in _RECORDS]
    seen = sum(any(f'"{record}"' in text for text in texts) for record in truth.records)
    return seen / len(truth.records) if truth.records else float(bool(texts))


def _telemetry(truth: IncidentTruth, trajectory: Trajectory) -> float:
    """Return the share of the stages of which a query returned a row with its id and time."""
    texts = [s.result.content for s in trajectory if s.call.name in _QUERIES]
    seen = sum(
        any(record in text and second in text for record, second in stage.marks for text in texts)
        for stage in truth.stages
    )
    return seen / len(truth.stages)


def _verdicts(truth: IncidentTruth, trajectory: Trajectory) -> float:
    """Return how much better than deciding without looking: the two recalls, minus one.

    An alert of the intrusion counts if verdict and reason are right. Any other counts half if it
    was not called a true positive, and fully with verdict and reason right. Calling all of them
    true, or none, is worth nothing. Verdicts on alerts that do not exist void the part.
    """
    report = _report(trajectory)
    given = {item["alert_id"]: item for item in report.get("verdicts", ())}
    if not given.keys() <= truth.verdicts.keys():
        return 0.0
    credit: dict[bool, list[float]] = {True: [], False: []}
    for name, right in truth.verdicts.items():
        item = given.get(name, {"verdict": "", "reason": ""})
        real = right.verdict == "true_positive"
        credit[real].append(_credit(item, right.verdict, right.reason))
    recalls = [sum(values) / len(values) if values else 1.0 for values in credit.values()]
    return max(0.0, sum(recalls) - 1.0)


def _credit(item: Mapping[str, str], verdict: str, reason: str) -> float:
    if item["verdict"] == verdict and item["reason"] == reason:
        return 1.0
    missed = verdict == "true_positive" or item["verdict"] in {"", "true_positive"}
    return 0.0 if missed else _RIGHT_VERDICT_WRONG_REASON


def _scope(truth: IncidentTruth, trajectory: Trajectory) -> float:
    """Return the mean of Jaccard over assets and over accounts, by any name of theirs."""
    incident = _report(trajectory).get("incident", {})
    if not incident:
        return 0.0
    parts = ((incident["assets"], truth.assets), (incident["accounts"], truth.accounts))
    return sum(_names_jaccard(truth, named, expected) for named, expected in parts) / 2


def _names_jaccard(truth: IncidentTruth, named: Sequence[str], expected: frozenset[str]) -> float:
    lower = {name.strip().lower() for name in named}
    known = {truth.aliases.get(name, name).lower() for name in lower}
    return jaccard(known, expected)


def _kill_chain(truth: IncidentTruth, trajectory: Trajectory) -> float:
    """Return Jaccard over stages, each worth its technique and time, times how they are ordered.

    All of it is halved where the alerts were not told apart (:func:`_credible`).

    A stage is worth three quarters for its technique (half of that for parent or child of the right
    one) and a quarter for a time within five minutes of its begin. The order is Kendall's tau over
    the stages that were found, in the order of the report; below 0 it is worth 0.
    """
    stages = _report(trajectory).get("incident", {}).get("stages", ())
    pairs = _pairs(truth, trajectory)
    worth = sum(_stage_worth(stages[given], truth.stages[right]) for given, right in pairs)
    total = len(stages) + len(truth.stages) - len(pairs)
    order = max(0.0, kendall_tau([right for _, right in sorted(pairs)]))
    return worth / total * order * _credible(truth, trajectory)


def _stage_worth(given: Mapping[str, Any], right: Stage) -> float:
    technique = technique_jaccard(frozenset({given["technique"].upper()}), {right.technique})
    close = abs(_moment(given["time"]) - datetime.fromisoformat(right.began)) <= _LATE
    return 0.75 * technique + 0.25 * close


def _evidence(truth: IncidentTruth, trajectory: Trajectory) -> float:
    """Return Jaccard over stages, each worth its evidence, halved as the kill chain is.

    Evidence is worth the share of what it cites that belongs to the stage, times the share of what
    is needed: two rows that make up the act, or one if there is only one.
    """
    stages = _report(trajectory).get("incident", {}).get("stages", ())
    cited = facts_of(trajectory).get("cited", ())
    pairs = _pairs(truth, trajectory)
    worth = 0.0
    for given, right in pairs:
        stage, rows, count = truth.stages[right], cited[given]["rows"], cited[given]["count"]
        hits = _overlap(rows, stage.core)
        needed = min(_EVIDENCE_NEEDED, sum(map(len, stage.core.values())))
        found = max(count, sum(map(len, rows.values())))
        worth += min(1.0, hits / needed) * _overlap(rows, stage.rows) / found
    total = len(stages) + len(truth.stages) - len(pairs)
    return worth / total * _credible(truth, trajectory)


def _credible(truth: IncidentTruth, trajectory: Trajectory) -> float:
    """Return what stages are worth in a report whose verdicts are good for so much, in [0.5, 1].

    Whoever calls every alert true and follows all of them finds the intrusion as well, among stages
    that are none.
    """
    return 0.5 + 0.5 * _verdicts(truth, trajectory)


def _pairs(truth: IncidentTruth, trajectory: Trajectory) -> list[tuple[int, int]]:
    """Pair stages handed in with those of the truth, one to one, those sharing most rows first."""
    shared = [
        (-_overlap(entry["rows"], stage.core), given, right)
        for given, entry in enumerate(facts_of(trajectory).get("cited", ()))
        for right, stage in enumerate(truth.stages)
    ]
    pairs: dict[int, int] = {}
    for overlap, given, right in sorted(shared):
        if overlap and given not in pairs and right not in pairs.values():
            pairs[given] = right
    return sorted(pairs.items())


def _overlap(rows: Mapping[str, Sequence[int]], expected: Mapping[str, frozenset[int]]) -> int:
    return sum(len(expected.get(table, frozenset()) & set(ids)) for table, ids in rows.items())


def _report(trajectory: Trajectory) -> Mapping[str, Any]:
    return facts_of(trajectory).get("report", {})
