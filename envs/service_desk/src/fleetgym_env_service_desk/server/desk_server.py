"""A service desk as an MCP server.

    python desk_server.py FILE

FILE is JSON with the desk's handbook, services, rota, changes and tickets. It is read at the first
call and never written: what is done at the desk is done in memory.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

_PAGE = 10
_READS = ToolAnnotations(read_only_hint=True)
_ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False)
_REPLACES = ToolAnnotations(read_only_hint=False, destructive_hint=True)

Ticket = Annotated[str, Field(description="For example T-0042.")]
Incident = Annotated[str, Field(description="For example INC-0001.")]
Time = Annotated[str, Field(description="UTC, for example 2026-03-05T09:30Z; empty: no bound.")]
Record = dict[str, Any]

server = MCPServer("service-desk")


@cache
def desk() -> Record:
    """Return the whole desk; it is the same object at each call."""
    return {**json.loads(Path(sys.argv[1]).read_text()), "incidents": {}}


@server.tool(annotations=_READS)
def read_handbook(topic: Literal["incidents", "causes", "priorities", "assignment"]) -> str:
    """Return what the handbook says on a topic."""
    return desk()["handbook"][topic]


@server.tool(annotations=_READS)
def search_tickets(
    text: str = "",
    service: str = "",
    since: Time = "",
    until: Time = "",
    page: Annotated[int, Field(ge=1, le=100)] = 1,
) -> Record:
    """List tickets, the oldest first, ten a page.

    All conditions have to hold. `text` is looked for in subject and body, without regard to case.
    The body itself is shown by get_ticket.
    """
    found = [
        {name: ticket[name] for name in ("id", "opened", "service", "status", "error", "subject")}
        for ticket in desk()["tickets"].values()
        if text.lower() in f"{ticket['subject']}\n{ticket['body']}".lower()
        and service in ("", ticket["service"])
        and since <= ticket["opened"] <= (until or "~")
    ]
    pages = max(1, -(-len(found) // _PAGE))
    shown = found[(page - 1) * _PAGE : page * _PAGE]
    return {"total": len(found), "page": page, "pages": pages, "tickets": shown}


@server.tool(annotations=_READS)
def get_ticket(ticket: Ticket) -> Record:
    """Return a ticket with its body."""
    return _record("tickets", ticket)


@server.tool(annotations=_READS)
def explain_error_code(code: Annotated[str, Field(description="For example AUTH-503.")]) -> Record:
    """Return which service an error code comes from, and what it means.

    Services pass on the codes of those that they use.
    """
    return _record("error_codes", code.strip().upper())


@server.tool(annotations=_READS)
def get_service(name: str) -> Record:
    """Return a service: the team that owns it and the services that it uses."""
    return _record("services", name)


@server.tool(annotations=_READS)
def list_changes(service: str = "", since: Time = "", until: Time = "") -> Record:
    """List changes to services, the oldest first; get_change shows what became of one."""
    found = [
        {name: change[name] for name in ("id", "at", "service", "summary")}
        for change in desk()["changes"].values()
        if service in ("", change["service"]) and since <= change["at"] <= (until or "~")
    ]
    return {"changes": found}


@server.tool(annotations=_READS)
def get_change(change: Annotated[str, Field(description="For example CHG-0117.")]) -> Record:
    """Return a change: what was done, by whom, and when it was rolled back, if it was."""
    return _record("changes", change)


@server.tool(annotations=_READS)
def get_rota(team: str, at: Annotated[str, Field(description="UTC.", min_length=10)]) -> Record:
    """Return who of a team is on call at a time."""
    for shift in _record("rota", team)["shifts"]:
        if shift["from"] <= at < shift["to"]:
            return {"team": team, "at": at, "on_call": shift["person"]}
    raise ToolError(f"Nobody of {team} is on call at {at}. Is that a time in UTC?")


@server.tool(annotations=_ADDS)
def open_incident(
    title: Annotated[str, Field(min_length=5)],
    service: str,
    priority: Literal["P1", "P2", "P3"],
) -> Record:
    """Open an incident for the service that causes it."""
    _record("services", service)
    number = f"INC-{len(desk()['incidents']) + 1:04}"
    desk()["incidents"][number] = {
        "id": number,
        "title": title,
        "service": service,
        "priority": priority,
        "assignee": None,
        "tickets": [],
    }
    return get_incident(number)


@server.tool(annotations=_ADDS)
def link_tickets(
    incident: Incident, tickets: Annotated[list[Ticket], Field(min_length=1)]
) -> Record:
    """Add tickets to those that an incident explains."""
    linked: list[str] = _record("incidents", incident)["tickets"]
    for ticket in tickets:
        _record("tickets", ticket)
    linked += [ticket for ticket in dict.fromkeys(tickets) if ticket not in linked]
    return get_incident(incident)


@server.tool(annotations=_REPLACES)
def assign_incident(incident: Incident, person: str) -> Record:
    """Assign an incident to a person, in place of whoever had it."""
    people = {shift["person"] for team in desk()["rota"].values() for shift in team["shifts"]}
    if person not in people:
        raise ToolError(f"There is no {person!r} on any rota.")
    _record("incidents", incident)["assignee"] = person
    return get_incident(incident)


@server.tool(annotations=_READS)
def get_incident(incident: Incident) -> Record:
    """Return an incident."""
    return _record("incidents", incident)


def _record(kind: str, key: str) -> Record:
    records: dict[str, Record] = desk()[kind]
    if key not in records:
        raise ToolError(f"There is no {key!r} among the {kind.replace('_', ' ')}.")
    return records[key]


if __name__ == "__main__":
    server.run("stdio")
