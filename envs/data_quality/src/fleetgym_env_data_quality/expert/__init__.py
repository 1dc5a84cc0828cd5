"""The expert of DataQuality-v1, driven by observations only.

It knows the craft: the checks that a dictionary promises an answer to, and those of the business.
Of an instance it knows what the tools told it, so nothing in this package imports what makes
instances.
"""

# ruff: noqa: S608 - an analyst's queries

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import PlanLost
from fleetgym.contracts.policy import ask, ask_all
from fleetgym.contracts.tools import SUBMIT, ToolCall
from fleetgym_env_data_quality.expert.checks import Check, Dictionary, checks, tagged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.policy import Moves, Plan

__all__ = ["QualityExpert", "looked", "report_of"]

_AT_ONCE = 8

_METRICS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "paid_eur": (
        "SELECT r.method AS method, sum(r.amount) / 100.0 AS paid_eur FROM payments r",
        "payments",
        ("payment_id", "method", "amount"),
    ),
    "mass_kg": (
        (
            "SELECT c.name AS carrier, sum(r.weight) / 1000.0 AS mass_kg "
            "FROM shipments r JOIN carriers c ON c.carrier_id = r.carrier_id"
        ),
        "shipments",
        ("shipment_id", "carrier_id", "weight"),
    ),
    "sales_eur": (
        (
            "SELECT p.category AS category, sum(r.quantity * r.unit_price) / 100.0 AS sales_eur "
            "FROM order_lines r JOIN products p ON p.product_id = r.product_id"
        ),
        "order_lines",
        ("line_id", "product_id", "quantity", "unit_price"),
    ),
}
"""By the column that is asked for: the query, its table ``r``, and what it reads of that."""


class QualityExpert:
    """Solves every scenario of the environment."""

    def plan(self, prompt: str) -> Plan:
        """Look at everything, run every check, and report those that find something."""
        try:
            dictionary = yield from looked()
            found = yield from _failing(list(checks(dictionary)))
            report = report_of(prompt, found, dictionary.tag)
        except (LookupError, TypeError, ValueError, StopIteration, RuntimeError) as error:
            raise PlanLost(f"The tables make no sense: {error!r}.") from error
        queries = [query for check in found for query in (check.rows, check.daily)]
        queries.append(report["metric_sql"])
        yield from ask_all([ToolCall("run_sql", {"query": query}) for query in queries], str)
        yield ToolCall(SUBMIT, {"answer": json.dumps(report)})


def looked() -> Moves[Dictionary]:
    """Profile every table, and return the dictionary."""
    listed = json.loads((yield from ask("list_tables")))["tables"]
    halves = [  # a query shows fifty rows
        f"SELECT * FROM data_dictionary WHERE table_name {condition} 'orders'"
        for condition in ("<", ">=")
    ]
    said = yield from ask_all(
        [ToolCall("profile_table", {"table": str(one["table"])}) for one in listed]
        + [ToolCall("run_sql", {"query": half}) for half in halves],
        json.loads,
    )
    rows: list[Any] = []
    names: list[str] = []
    for answer in said[len(listed) :]:
        names = answer["columns"]
        rows += answer["rows"]
    return Dictionary([dict(zip(names, row, strict=True)) for row in rows])


def report_of(prompt: str, found: Sequence[Check], tag: str) -> dict[str, Any]:
    """Return the report on what checks have found."""
    return {
        "defects": [
            {
                "place": check.place, "kind": check.kind, "rows_sql": check.rows,
                "explanation": f"Rows of {check.table} where {check.condition}"[:2000],
            }
            for check in found
        ],
        "metric_sql": _metric(prompt, found, tag),
        "dashboard": {
            "title": "Data quality by day",
            "panels": [
                {
                    "title": f"{check.kind} in {check.place}", "chart": "bar",
                    "watches": check.place, "sql": check.daily,
                }
                for check in found
            ],
        },
        "runbook": {
            "title": "When a check of the data fails",
            "entries": [
                {
                    "place": check.place,
                    "symptom": f"{check.kind}: the check returns more than 0.",
                    "check_sql": check.count,
                    "steps": [
                        "Stop reports that read the column.",
                        "List the rows with the query of the defect, and find when they began.",
                        "Ask the source's owner to send them again; load them; run the check.",
                    ],
                    "owner": f"owner of {check.table}",
                }
                for check in found
            ],
        },
    }  # fmt: skip


def _failing(every: Sequence[Check]) -> Moves[list[Check]]:
    """Return the checks that find something."""
    found: list[Check] = []
    for start in range(0, len(every), _AT_ONCE):
        some = every[start : start + _AT_ONCE]
        counts = ", ".join(f"({check.count}) AS n{index}" for index, check in enumerate(some))
        answer = json.loads((yield from ask("run_sql", query=f"SELECT {counts}")))
        found += [check for check, bad in zip(some, answer["rows"][0], strict=True) if bad]
    return found


def _metric(prompt: str, found: Sequence[Check], tag: str) -> str:
    """Return the metric's query without rows that are wrong in a column that it reads."""
    sql, table, reads = next(metric for name, metric in _METRICS.items() if name in prompt)
    wrong = [f"NOT ({c.condition})" for c in found if c.table == table and c.column in reads]
    return tagged(f"{sql} WHERE {' AND '.join(wrong) or 'true'} GROUP BY 1", tag)
