"""The deterministic grader: nothing is believed that was not executed or retrieved.

The checkpoints and weights are CTI-REALM's. What differs from its formulas, and why, stands at each
checkpoint here and, with the games it ends, in this distribution's README.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.scoring import Checkpoint
from fleetgym_graders.artifact import MAX_ROWS, execute_query, execute_rule, read_artifact
from fleetgym_graders.measures import f1, jaccard, technique_jaccard
from fleetgym_graders.results import kusto_rows, report_ids
from fleetgym_graders.trajectories import facts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fleetgym.contracts.scoring import Trajectory
    from fleetgym.contracts.tools import ToolCall, ToolResult
    from fleetgym_graders.detection import DetectionTruth

__all__ = ["StrictGrader"]

_QUERIES_NEEDED = 2
_SYNTAX_SHARE = 0.25
_ISSUES_SYNTAX = 0.5

# Comments and string literals: naming a table there reads nothing. What is not closed ends with the
# line or the text, so that no text takes more than linear time.
_NOT_CODE = {
    "execute_kql_query": re.compile(
        r"""//[^\n]*|"(?:[^"\\\n]|\\[^\n])*+"?|'(?:[^'\\\n]|\\[^\n])*+'?"""
    ),
    "execute_sql_query": re.compile(r"--[^\n]*|/\*.*?(?:\*/|\Z)|'[^']*'?", re.DOTALL),
}


class StrictGrader:
    """Grades detections by what they find.

    ``C4_query_results`` falls to 0 for a query that fails or finds more than 1000 rows.
    """

    name = "cti/strict"
    version = "2"

    def read(self, answer: str) -> Mapping[str, Any]:
        """Return the artifact in ``answer``.

        Raises:
            ToolError: It does not have the required form.
        """
        return read_artifact(answer)

    def examine(
        self, artifact: Mapping[str, Any], execute: Callable[[ToolCall], ToolResult]
    ) -> Mapping[str, Any]:
        """Execute the query and the rule in the sandbox.

        Returns:
            ``kql`` and ``sigma``, as :mod:`fleetgym_graders.artifact` describes them.
        """
        return {
            "kql": execute_query(artifact, execute),
            "sigma": execute_rule(artifact, execute),
        }

    def checkpoints(self, truth: DetectionTruth) -> Sequence[Checkpoint]:
        """Return the six checkpoints of an instance."""
        table: tuple[tuple[str, float, Callable[[DetectionTruth, Trajectory], float]], ...] = (
            ("C0_cti_alignment", 0.125, _cti_alignment),
            ("C1_threat_context", 0.075, _threat_context),
            ("C2_data_exploration", 0.10, _data_exploration),
            ("C3_query_execution", 0.05, _query_execution),
            ("C4_query_results", 0.50, _query_results),
            ("C4_sigma_quality", 0.15, _sigma_quality),
        )
        return tuple(
            Checkpoint(name=name, weight=weight, reached=partial(reached, truth))
            for name, weight, reached in table
        )


def _cti_alignment(truth: DetectionTruth, trajectory: Trajectory) -> float:
    """Return the share of the relevant reports read, times the precision of the tags searched.

    A report is read when it stands whole in a result of ``get_cti_reports_by_tag``; a tag is right
    when a relevant report carries it, and counts once however often it is searched.
    """
    right = frozenset[str]().union(*truth.report_tags.values())
    tags: set[str] = set()
    read: set[str] = set()
    for step in trajectory:
        if step.call.name == "get_cti_reports_by_tag":
            tags.add(str(step.call.arguments.get("tag", "")).strip().lower())
            if not step.result.is_error:
                read |= report_ids(step.result.content)
    if not tags or not truth.report_ids:
        return 0.0
    return len(read & truth.report_ids) / len(truth.report_ids) * len(tags & right) / len(tags)


def _threat_context(truth: DetectionTruth, trajectory: Trajectory) -> float:
    """Return Jaccard over the rule's techniques, times the better row F1 of query and rule.

    Techniques are claims about rows, and the same for every instance of a scenario: what finds none
    of the attack's rows shows none of its techniques.
    """
    sigma = _facts(trajectory, "sigma")
    named = frozenset(sigma.get("techniques", ()))
    shown = max(_query_f1(truth, _facts(trajectory, "kql")), _rule_f1(truth, sigma))
    return technique_jaccard(named, truth.techniques) * shown if named else 0.0


def _data_exploration(truth: DetectionTruth, trajectory: Trajectory) -> float:
    """Return Jaccard over the tables whose schema or sample was seen."""
    opened = {
        str(step.call.arguments.get("table_name", "")).strip().casefold()
        for step in trajectory
        if step.call.name in ("get_table_schema", "sample_table_data") and not step.result.is_error
    }
    return jaccard(opened, {table.casefold() for table in truth.tables}) if opened else 0.0


def _query_execution(truth: DetectionTruth, trajectory: Trajectory) -> float:
    """Return 1 after two different queries that read an expected table and returned rows.

    Queries are equal if they differ in comments, blanks and letter case alone.
    """
    expected = re.compile(
        rf"\b(?:{'|'.join(map(re.escape, sorted(truth.tables)))})\b", re.IGNORECASE
    )
    queries: set[str] = set()
    for step in trajectory:
        not_code = _NOT_CODE.get(step.call.name)
        if not_code and not step.result.is_error and kusto_rows(step.result.content):
            query = str(step.call.arguments.get("query", ""))
            if expected.search(not_code.sub(" ", query)):
                queries.add(_normalized(query, not_code))
    return float(bool(truth.tables) and len(queries) >= _QUERIES_NEEDED)


def _normalized(query: str, not_code: re.Pattern[str]) -> str:
    kept = not_code.sub(lambda found: found[0] if found[0][0] in "\"'" else " ", query)
    return " ".join(kept.lower().split())


def _query_results(truth: DetectionTruth, trajectory: Trajectory) -> float:
    """Return row F1 of the executed query, times row F1 of the submitted rows against its result.

    The first factor judges the query against the attack. Hits are the attack rows that the result
    gives back. What it predicts is the larger of the number of rows in the result (so that rows of
    any other origin count against it) and the number of rows that the result fits in the tables
    under attack (so that a result with too few columns to tell rows apart counts as all of them).

    The second factor judges the agent's word about its query: rows that the query does not return,
    and rows it returns that were not reported, both count against it.
    """
    kql = _facts(trajectory, "kql")
    found = _query_f1(truth, kql)
    if not found:
        return 0.0
    return found * f1(hits=kql["reproduced"], predicted=kql["submitted"], expected=kql["row_count"])


def _query_f1(truth: DetectionTruth, kql: Mapping[str, Any]) -> float:
    if not kql.get("ok") or max(kql["row_count"], kql["matched_count"]) > MAX_ROWS:
        return 0.0
    expected = sum(map(len, truth.rows.values()))
    hits, fitting = _overlap(truth.rows, kql["matched"])
    return f1(hits=hits, predicted=max(fitting, kql["row_count"]), expected=expected)


def _sigma_quality(truth: DetectionTruth, trajectory: Trajectory) -> float:
    """Return row F1 of the executed rule, a quarter of it for syntax.

    Syntax is 1 for a rule that parses, 0.5 if the validator has remarks of more than low severity.
    It is a share of what the rule finds, and not CTI-REALM's sum with it, because a rule that finds
    nothing is no rule however well it is written. A rule has one log source, so it is judged on the
    attack rows in the tables that this names.
    """
    sigma = _facts(trajectory, "sigma")
    if not sigma.get("parsed"):
        return 0.0
    weighty = any(not issue.startswith("low:") for issue in sigma["issues"])
    syntax = _ISSUES_SYNTAX if weighty else 1.0
    return (_SYNTAX_SHARE * syntax + (1 - _SYNTAX_SHARE)) * _rule_f1(truth, sigma)


def _rule_f1(truth: DetectionTruth, sigma: Mapping[str, Any]) -> float:
    if not sigma.get("parsed"):
        return 0.0
    reachable = {table: rows for table, rows in truth.rows.items() if table in sigma["tables"]}
    expected = sum(map(len, reachable.values()))
    if not expected or sigma["matched_count"] > MAX_ROWS:
        return 0.0
    hits, fitting = _overlap(reachable, sigma["matched"])
    return f1(hits=hits, predicted=fitting, expected=expected)


def _overlap(
    rows: Mapping[str, frozenset[int]], matched: Mapping[str, Sequence[int]]
) -> tuple[int, int]:
    """Return how many of ``rows`` were matched, and how many rows were matched in their tables."""
    hits = sum(len(expected & set(matched.get(table, ()))) for table, expected in rows.items())
    return hits, sum(len(matched.get(table, ())) for table in rows)


def _facts(trajectory: Trajectory, part: str) -> Mapping[str, Any]:
    """Return what the submission showed of one part; empty before it."""
    return facts_of(trajectory).get(part, {})
