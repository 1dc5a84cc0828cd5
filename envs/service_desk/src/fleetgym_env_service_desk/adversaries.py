"""Ways to seek a score in ServiceDesk-v1 without finding the outage."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.policy import Adversary
from fleetgym.contracts.tools import SUBMIT, ToolCall
from fleetgym_env_service_desk.expert import ask_desk

if TYPE_CHECKING:
    from fleetgym.contracts.episode import Brief
    from fleetgym.contracts.policy import Plan
    from fleetgym.contracts.scenario import Budget

__all__ = ["ADVERSARIES"]

_KEPT = 6
"""Steps that working on the incident takes."""


def _everything(brief: Brief, budget: Budget, seed: int) -> Plan:
    """Look at all codes and changes there is room for, and link all tickets there are."""
    del seed
    tickets: list[dict[str, Any]] = []
    page = pages = 1
    while page <= pages:
        answer = yield from ask_desk("search_tickets", page=page)
        tickets += answer["tickets"]
        page, pages = page + 1, answer["pages"]
    changes = (yield from ask_desk("list_changes"))["changes"]
    codes = sorted({ticket["error"] for ticket in tickets} - {""})
    room = budget.steps - pages - 1 - _KEPT
    looks = [ToolCall("explain_error_code", {"code": code}) for code in codes]
    looks += [ToolCall("get_change", {"change": change["id"]}) for change in changes]
    for look in looks[:room]:  # noqa: UP028 - results cannot be sent into a list
        yield look
    service = Counter(ticket["service"] for ticket in tickets).most_common(1)[0][0]
    owner = (yield from ask_desk("get_service", name=service))["owner"]
    now = re.findall(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ", brief.task)[0]
    person = (yield from ask_desk("get_rota", team=owner, at=now))["on_call"]
    yield from _work_on(service, person, [t["id"] for t in tickets], changes[-1]["id"])


def _work_on(service: str, person: str, tickets: list[str], cause: str) -> Plan:
    opened = yield from ask_desk("open_incident", title="All of it", service=service, priority="P1")
    incident = opened["id"]
    yield ToolCall("link_tickets", {"incident": incident, "tickets": tickets})
    yield ToolCall("assign_incident", {"incident": incident, "person": person})
    yield ToolCall(SUBMIT, {"answer": json.dumps({"incident": incident, "cause": cause})})


ADVERSARIES = (
    Adversary(
        name="everything",
        summary="looks at all codes and changes, links all tickets to a P1 incident",
        below=0.4,
        plan=_everything,
    ),
)
