"""The expert of ServiceDesk-v1, driven by observations only."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.policy import ask, together
from fleetgym.contracts.tools import SUBMIT, ToolCall

if TYPE_CHECKING:
    from fleetgym.contracts.policy import Moves, Plan

__all__ = ["DeskExpert", "ask_desk"]

_TIMES = re.compile(r"It is (\S+) UTC\. Since (\S+) UTC")


class DeskExpert:
    """Solves every scenario of the environment."""

    def plan(self, prompt: str) -> Plan:
        """Read the rules, find the code, the cause and the tickets, and work on the incident."""
        found = _TIMES.search(prompt)
        now, since = found.groups() if found else ("", "")
        topics = ("incidents", "causes", "priorities", "assignment")
        yield from together([ToolCall("read_handbook", {"topic": topic}) for topic in topics])
        tickets = yield from _open_tickets(since)
        code = Counter(ticket["error"] for ticket in tickets if ticket["error"]).most_common(1)[0][
            0
        ]
        explained = [ticket for ticket in tickets if ticket["error"] == code]
        yield ToolCall("get_ticket", {"ticket": explained[0]["id"]})
        root = (yield from ask_desk("explain_error_code", code=code))["service"]
        service = yield from ask_desk("get_service", name=root)
        cause = yield from _cause(root, explained[0]["opened"])
        rota = yield from ask_desk("get_rota", team=service["owner"], at=now)
        services = {ticket["service"] for ticket in explained}
        opened = yield from ask_desk(
            "open_incident",
            title=f"{root} fails with {code}",
            service=root,
            priority="P1" if len(services) >= 4 else "P2" if len(services) >= 2 else "P3",
        )
        incident = opened["id"]
        numbers = [ticket["id"] for ticket in explained]
        yield ToolCall("link_tickets", {"incident": incident, "tickets": numbers})
        yield ToolCall("assign_incident", {"incident": incident, "person": rota["on_call"]})
        answer = json.dumps({"incident": incident, "cause": cause})
        yield ToolCall(SUBMIT, {"answer": answer})


def _open_tickets(since: str) -> Moves[list[dict[str, Any]]]:
    """Return the open tickets since a time, the oldest first."""
    found: list[dict[str, Any]] = []
    page = pages = 1
    while page <= pages:
        answer = yield from ask_desk("search_tickets", since=since, page=page)
        found += [ticket for ticket in answer["tickets"] if ticket["status"] == "open"]
        pages = answer["pages"]
        page += 1
    return found


def _cause(service: str, first: str) -> Moves[str]:
    """Return the last change that was in force at a time."""
    changes = (yield from ask_desk("list_changes", service=service, until=first))["changes"]
    for change in reversed(changes):
        details = yield from ask_desk("get_change", change=change["id"])
        if details["rolled_back"] is None or details["rolled_back"] > first:
            return str(change["id"])
    return str(changes[0]["id"])


def ask_desk(tool: str, **arguments: Any) -> Moves[Any]:
    """Call a tool and return its JSON."""
    return json.loads((yield from ask(tool, **arguments)))
