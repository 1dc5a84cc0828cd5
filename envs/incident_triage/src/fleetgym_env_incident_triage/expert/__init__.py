"""The expert of IncidentTriage-v1, driven by observations only.

It knows the craft, which is that of the runbooks: where a rule's rows are, what makes an alert
benign, how an incident is followed. Of an instance it knows what the tools told it, so nothing in
this package imports what makes instances.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.tools import SUBMIT, ToolCall
from fleetgym_env_incident_triage.expert import chain, verdicts
from fleetgym_env_incident_triage.expert.craft import ask

if TYPE_CHECKING:
    from fleetgym.contracts.policy import Plan

__all__ = ["TriageExpert"]

_PROCEDURES = ("deciding-a-verdict", "scoping-an-incident", "writing-the-incident-report")


class TriageExpert:
    """Solves every scenario of the environment."""

    def plan(self, prompt: str) -> Plan:
        """Read the queue and the runbooks, decide each alert, follow the incident, report it."""
        del prompt
        alerts: list[dict[str, Any]] = []
        for entry in (yield from ask("list_alerts")):
            alert = yield from ask("get_alert", alert_id=entry["id"])
            alerts += [alert]
        for name in (*_PROCEDURES, *dict.fromkeys(alert["rule"] for alert in alerts)):
            yield ToolCall("get_runbook", {"name": name})
        decided = yield from verdicts.decide(alerts)
        stages = yield from chain.follow(decided)
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
