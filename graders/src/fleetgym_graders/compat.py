"""CTI-REALM's own formulas, weaknesses included, for scores that can be set beside published ones.

Follows inspect_evals 0.26.0, task version 4-A. It reads the trajectory alone and executes nothing.
Two of the six parts need a language model as judge (:class:`Judge`); without one they score 0, and
the highest score is 0.725.

It departs from the reference where that has no answer:

* the reference scores once, at the end; here the parts of the trajectory count from the first step,
  and fall to 0 when an answer is submitted in which nothing can be found;
* a row of ``query_results`` that is no object makes the reference fail; here the part scores 0;
* a judge's opinion of a rule is clamped to [0, 1];
* what a model wrote in several answers before one call is one text here, the last one's too;
* a model's hidden reasoning is unknown here, so only what it wrote is searched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from fleetgym.contracts.errors import ModelError, ToolError
from fleetgym.contracts.scoring import Checkpoint
from fleetgym.contracts.tools import SUBMIT
from fleetgym_graders.compat_answer import parse_answer, parse_rows, technique_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fleetgym.contracts.scoring import Trajectory
    from fleetgym.contracts.tools import ToolCall, ToolResult
    from fleetgym_graders.detection import DetectionTruth

__all__ = ["AlignmentCase", "CompatGrader", "Judge", "SigmaOpinion"]

_TITLE = re.compile(r'"title"\s*:\s*"([^"]+)"')
_QUERIES_NEEDED = 2
_SYNTAX_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentCase:
    """What a judge of the CTI research is shown."""

    objective: str
    tags: tuple[str, ...]
    """Searched, in order; at least one."""

    titles: tuple[str, ...]
    """Of everything that any tool result calls a title, distinct, in order."""

    said: tuple[str, ...]
    """What the model wrote, the submitted answer last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigmaOpinion:
    """A judge's opinion of a Sigma rule; numbers in [0, 1]."""

    syntax: float
    specificity: float


class Judge(Protocol):
    """A language model with an opinion. Asked once for equal questions, after the submission."""

    def alignment(self, case: AlignmentCase) -> float:
        """Return how well the research fits the objective, in [0, 1].

        Raises:
            ModelError: It cannot say; the part scores 0.
        """
        ...

    def sigma(self, objective: str, rule: str) -> SigmaOpinion:
        """Return how good a rule is for the objective.

        Raises:
            ModelError: It cannot say; as in the reference, the sample is lost.
        """
        ...


class CompatGrader:
    """Grades as the reference benchmark does."""

    name = "cti/compat"
    version = "1"

    def __init__(self, judge: Judge | None = None) -> None:
        self._alignment = lru_cache(maxsize=256)(judge.alignment) if judge else None
        self._sigma = lru_cache(maxsize=256)(judge.sigma) if judge else None

    def read(self, answer: str) -> Mapping[str, Any]:
        """Return the answer as it is: there is one attempt, and any text uses it up.

        Raises:
            ToolError: It is blank.
        """
        if not answer.strip():
            raise ToolError("The answer is empty. Submit one JSON object, as text.")
        return {"answer": answer}

    def examine(
        self, artifact: Mapping[str, Any], execute: Callable[[ToolCall], ToolResult]
    ) -> Mapping[str, Any]:
        """Return nothing: the reference executes nothing of an artifact."""
        del artifact, execute
        return {}

    def checkpoints(self, truth: DetectionTruth) -> Sequence[Checkpoint]:
        """Return the six parts of the reference's score, as shares of its ten points."""
        table: tuple[tuple[str, float, Callable[[DetectionTruth, Trajectory], float]], ...] = (
            ("C0_cti_alignment", 0.125, self._cti_alignment),
            ("C1_threat_context", 0.075, _threat_context),
            ("C2_data_exploration", 0.10, _data_exploration),
            ("C3_query_execution", 0.05, _query_execution),
            ("C4_query_results", 0.50, _query_results),
            ("C4_sigma_quality", 0.15, self._sigma_quality),
        )
        return tuple(
            Checkpoint(name=name, weight=weight, reached=partial(_unless_lost, reached, truth))
            for name, weight, reached in table
        )

    def _cti_alignment(self, truth: DetectionTruth, trajectory: Trajectory) -> float:
        tags = tuple(
            str(step.call.arguments.get("tag", ""))
            for step in trajectory
            if step.call.name == "get_cti_reports_by_tag"
        )
        if not self._alignment or not tags or not _answer(trajectory):
            return 0.0
        titles = (title for step in trajectory for title in _TITLE.findall(step.result.content))
        case = AlignmentCase(
            objective=truth.objective,
            tags=tags,
            titles=tuple(dict.fromkeys(titles)),
            said=tuple(_texts(trajectory)),
        )
        try:
            return self._alignment(case)
        except ModelError:
            return 0.0

    def _sigma_quality(self, truth: DetectionTruth, trajectory: Trajectory) -> float:
        rule = parse_answer(_answer(trajectory)).get("sigma_rule")
        if not self._sigma or not rule:
            return 0.0
        opinion = self._sigma(truth.objective, str(rule))
        return _SYNTAX_SHARE * opinion.syntax + (1 - _SYNTAX_SHARE) * opinion.specificity


def _unless_lost(
    reached: Callable[[DetectionTruth, Trajectory], float],
    truth: DetectionTruth,
    trajectory: Trajectory,
) -> float:
    """Return what is reached, or 0 after an answer in which nothing can be found."""
    answer = _answer(trajectory)
    return 0.0 if answer and not parse_answer(answer) else reached(truth, trajectory)


def _answer(trajectory: Trajectory) -> str:
    """Return the text that is scored: what the model wrote last, and the answer; empty before."""
    if not trajectory or trajectory[-1].call.name != SUBMIT or trajectory[-1].result.is_error:
        return ""
    last = trajectory[-1]
    return f"{last.said}\n\n{last.call.arguments.get('answer', '')}".strip()


def _texts(trajectory: Trajectory) -> Iterable[str]:
    answer = _answer(trajectory)
    yield from (step.said for step in (trajectory[:-1] if answer else trajectory) if step.said)
    if answer:
        yield answer


def _threat_context(truth: DetectionTruth, trajectory: Trajectory) -> float:
    """Return the recall of techniques that the model wrote, the answer included."""
    expected = {technique.upper() for technique in truth.techniques}
    named = frozenset[str]().union(*map(technique_ids, _texts(trajectory)))
    return len(named & expected) / len(expected) if expected else 0.0


def _data_exploration(truth: DetectionTruth, trajectory: Trajectory) -> float:
    """Return the recall of tables that a schema or sample was asked of, with or without success."""
    expected = {table.lower() for table in truth.tables}
    asked = {
        str(step.call.arguments.get("table_name", "")).lower()
        for step in trajectory
        if step.call.name in ("get_table_schema", "sample_table_data")
    }
    return len(asked & expected) / len(expected) if expected else 0.0


def _responses(trajectory: Trajectory) -> Iterable[tuple[str, tuple[Any, ...]]]:
    for step in trajectory:
        if step.call.name == "execute_kql_query":
            yield str(step.call.arguments.get("query", "")), parse_rows(step.result.content)


def _query_execution(truth: DetectionTruth, trajectory: Trajectory) -> float:
    """Return 1 after two queries with rows that differ in more than blanks and letter case."""
    del truth
    unique = {" ".join(query.lower().split()) for query, rows in _responses(trajectory) if rows}
    return float(len(unique) >= _QUERIES_NEEDED)


def _query_results(truth: DetectionTruth, trajectory: Trajectory) -> float:
    """Return F1 over fields of the submitted rows, if every one of them was seen in a response."""
    try:
        rows = _submitted_rows(trajectory)
        if not rows or not truth.patterns or not _were_seen(rows, trajectory):
            return 0.0
        return _field_f1(truth.patterns, rows)
    except RecursionError:
        return 0.0


def _submitted_rows(trajectory: Trajectory) -> list[Mapping[str, Any]]:
    """Return the rows of the answer; none if they are not all objects."""
    results = parse_answer(_answer(trajectory)).get("query_results")
    if isinstance(results, str):
        try:
            results = json.loads(results)
        except ValueError:
            return []
    if not isinstance(results, list):
        return []
    rows = cast("list[object]", results)
    return cast("Any", rows) if all(isinstance(row, Mapping) for row in rows) else []


def _were_seen(rows: Iterable[Mapping[str, Any]], trajectory: Trajectory) -> bool:
    seen = [
        _as_text(cast("Mapping[str, Any]", row))
        for _, response in _responses(trajectory)
        for row in response
        if isinstance(row, Mapping)
    ]
    return all(any(_agrees(row, other) for other in seen) for row in map(_as_text, rows))


def _as_text(row: Mapping[str, Any]) -> dict[str, str]:
    return {key.lower(): "" if value is None else str(value).strip() for key, value in row.items()}


def _agrees(row: Mapping[str, str], seen: Mapping[str, str]) -> bool:
    """Say whether no column that both have differs; columns that only ``row`` has are ignored."""
    return all(seen.get(key, value) == value for key, value in row.items())


def _field_f1(patterns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> float:
    hits = [
        {column for column, pattern in patterns.items() if _hit(row, column, pattern)}
        for row in rows
    ]
    precision = sum(map(len, hits)) / (len(patterns) * len(rows))
    recall = len(set[str]().union(*hits)) / len(patterns)
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0


def _hit(row: Mapping[str, Any], column: str, pattern: str) -> bool:
    """Search the first column of that name, letter case ignored; a broken pattern hits nothing."""
    for name, value in row.items():
        if name.lower() == column.lower():
            try:
                return re.search(pattern, str(value)) is not None
            except re.error:
                return False
    return False
