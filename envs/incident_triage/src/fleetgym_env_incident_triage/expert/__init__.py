"""The expert of IncidentTriage-v1, driven by observations only.

It knows the craft, which is that of the runbooks: where a rule's rows are, what makes an alert
benign, how an incident is followed. Of an instance it knows what the tools told it, so nothing in
this package imports what makes instances.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.policy import ask_all, together
from fleetgym.contracts.tools import SUBMIT, ToolCall
from fleetgym_env_incident_triage.expert import chain, verdicts
from fleetgym_env_incident_triage.expert.craft import ask, batches

if TYPE_CHECKING:
    from fleetgym.contracts.policy import Moves, Plan

__all__ = ["TriageExpert", "read_queue"]

_PROCEDURES = ("deciding-a-verdict", "scoping-an-incident", "writing-the-incident-report")


class TriageExpert:
    """Solves every scenario of the environment."""

    def plan(self, prompt: str) -> Plan:
        """Read the queue and the runbooks, decide each alert, follow the incident, report it."""
        del prompt
        yield ToolCall("get_runbooks", {"names": list(_PROCEDURES)})
        alerts = yield from read_queue()
        company = yield from verdicts.company_of()
        decided = yield from verdicts.decide(alerts, company)
        stages = yield from chain.follow(decided, company)
        answer = json.dumps(
            {
                "verdicts": [
                    {"alert_id": d.alert["id"], "verdict": d.verdict, "reason": d.reason}
                    for d in decided
                ],
                "incident": {
                    "assets": sorted({stage.asset for stage in stages if stage.asset}),
                    "accounts": sorted({stage.account for stage in stages}),
                    "stages": [stage.to_json() for stage in stages],
                },
            }
        )
        yield ToolCall("validate_report", {"report": answer})
        yield ToolCall(SUBMIT, {"answer": answer})


def read_queue() -> Moves[list[dict[str, Any]]]:
    """Return all alerts in full, after reading the runbooks of their rules."""
    listed = yield from ask("list_alerts")
    alerts: list[dict[str, Any]] = []
    parts = batches([entry["id"] for entry in listed])
    calls = [ToolCall("get_alerts", {"alert_ids": list(part)}) for part in parts]
    for part in (yield from ask_all(calls, json.loads)):
        alerts += part
    rules = batches(list(dict.fromkeys(alert["rule"] for alert in alerts)))
    yield from together([ToolCall("get_runbooks", {"names": list(part)}) for part in rules])
    return alerts
