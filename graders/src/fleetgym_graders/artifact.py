"""The detection artifact: reading it strictly, and executing what it claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from fleetgym.contracts.errors import ToolError
from fleetgym.contracts.tools import ToolCall
from fleetgym_graders.answers import ask, read_object
from fleetgym_graders.results import rows_reproduced

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fleetgym.contracts.tools import ToolResult

__all__ = ["KEYS", "MAX_ROWS", "execute_query", "execute_rule", "read_artifact"]

KEYS = ("sigma_rule", "kql_query", "query_results")

MAX_ROWS = 1000
"""A query or rule that finds more than this is no detection and earns nothing for its rows."""

_MAX_ISSUES = 20
_MAX_TEXT = 300


def read_artifact(answer: str) -> dict[str, Any]:
    """Return the artifact in an answer, which may stand in a Markdown code fence.

    Raises:
        ToolError: It is not one JSON object with exactly :data:`KEYS`; the text says what to fix.
    """
    artifact = read_object(answer, KEYS)
    missing = [key for key in KEYS if key not in artifact]
    extra = sorted(artifact.keys() - set(KEYS))
    if missing or extra:
        raise ToolError(
            f"The answer must have exactly the keys {', '.join(KEYS)}."
            + (f" Missing: {', '.join(missing)}." if missing else "")
            + (f" Not allowed: {', '.join(extra)[:_MAX_TEXT]}." if extra else "")
        )
    for key in ("sigma_rule", "kql_query"):
        if not isinstance(artifact[key], str) or not artifact[key].strip():
            raise ToolError(f"{key!r} must be a string that is not empty.")
    _check_rows(artifact["query_results"])
    return artifact


def _check_rows(rows: object) -> None:
    if not isinstance(rows, list) or not rows:
        raise ToolError(
            "'query_results' must be an array that is not empty: the rows that execute_kql_query "
            "returned for 'kql_query'."
        )
    for index, row in enumerate(cast("list[object]", rows)):
        if not isinstance(row, Mapping) or not row:
            raise ToolError(
                f"'query_results' item {index} must be an object of column names and values, for "
                'example {"DeviceName": "…"}.'
            )


def execute_query(
    artifact: Mapping[str, Any], execute: Callable[[ToolCall], ToolResult]
) -> dict[str, Any]:
    """Return what the artifact's query finds, and how many submitted rows it reproduces.

    Keys: ``ok``, ``error``, ``row_count``, ``matched`` (row ids by table; empty above
    :data:`MAX_ROWS`), ``matched_count``, ``submitted`` and ``reproduced`` (numbers of rows).
    """
    answer = ask(execute, ToolCall("grade_kql", {"query": artifact["kql_query"]}))
    submitted = cast("list[object]", artifact["query_results"])
    ok = bool(answer.get("ok"))
    return {
        "ok": ok,
        "error": str(answer.get("error") or "")[:_MAX_TEXT],
        "row_count": int(answer.get("row_count", 0)) if ok else 0,
        **matched_rows(answer if ok else {}),
        "submitted": len(submitted),
        "reproduced": rows_reproduced(submitted, answer.get("columns", ()), answer.get("rows", ()))
        if ok
        else 0,
    }


def execute_rule(
    artifact: Mapping[str, Any], execute: Callable[[ToolCall], ToolResult]
) -> dict[str, Any]:
    """Return what the artifact's Sigma rule is and finds.

    Keys: ``parsed``, ``error``, ``issues`` (the validator's, each with its severity first),
    ``tables`` (that its log source names), ``techniques``, ``matched`` and ``matched_count`` as for
    a query.
    """
    answer = ask(execute, ToolCall("grade_sigma", {"rule": artifact["sigma_rule"]}))
    return {
        "parsed": bool(answer.get("parsed")),
        "error": str(answer.get("error") or "")[:_MAX_TEXT],
        "issues": [str(issue)[:_MAX_TEXT] for issue in answer.get("issues", ())][:_MAX_ISSUES],
        "tables": sorted(answer.get("tables", ())),
        "techniques": sorted({str(name).upper() for name in answer.get("techniques", ())})[
            :MAX_ROWS
        ],
        **matched_rows(answer),
    }


def matched_rows(answer: Mapping[str, Any]) -> dict[str, Any]:
    claimed = cast("Mapping[str, Sequence[int]]", answer.get("matched") or {})
    matched = {table: sorted(set(rows)) for table, rows in claimed.items() if rows}
    count = sum(map(len, matched.values()))
    return {"matched": matched if count <= MAX_ROWS else {}, "matched_count": count}
