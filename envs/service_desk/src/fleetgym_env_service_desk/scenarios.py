"""The scenarios of ServiceDesk-v1."""

from __future__ import annotations

from fleetgym.contracts.scenario import Budget, Scenario
from fleetgym.contracts.tools import SUBMIT

__all__ = ["ARTIFACT_SCHEMA", "SYSTEM", "scenarios"]

SYSTEM = """\
You work at a company's service desk. Tools show its tickets, services, changes and rota, and let \
you work on incidents; its handbook says how things are done here.

When you are done at the desk, hand in one JSON object with exactly these keys by calling `submit`:
- `incident`: the number of the incident that you opened;
- `cause`: the number of the change that caused the outage.

What counts is what the desk holds then. You can submit once."""

ARTIFACT_SCHEMA = {
    "type": "object",
    "properties": {
        "incident": {"type": "string", "pattern": r"^INC-\d{4}$"},
        "cause": {"type": "string", "pattern": r"^CHG-\d{4}$"},
    },
    "required": ["incident", "cause"],
    "additionalProperties": False,
}

_PROMPT = """\
It is {now} UTC. Since {since} UTC an uncommon number of tickets has come in, from users of \
different services; some of them, not all, come from one outage. Find out what went wrong and \
handle it as the handbook says: one incident, with its service and priority, with every ticket \
that it explains and no other, assigned to whom it belongs."""


def scenarios() -> tuple[Scenario, ...]:
    """Return every scenario."""
    return tuple(
        Scenario(
            id=f"desk/{name}",
            version=1,
            environment="fleetgym/ServiceDesk-v1",
            title=title,
            platform="none",
            difficulty=difficulty,
            prompt=_PROMPT,
            tools=(
                "read_handbook",
                "search_tickets",
                "get_ticket",
                "explain_error_code",
                "get_service",
                "list_changes",
                "get_change",
                "get_rota",
                "open_incident",
                "link_tickets",
                "assign_incident",
                "get_incident",
                SUBMIT,
            ),
            artifact_schema=ARTIFACT_SCHEMA,
            budget=Budget(steps=40),
            parameters=parameters,
        )
        for name, title, difficulty, parameters in (
            (
                "quiet-day",
                "An outage on a day with few other tickets",
                "easy",
                {"affected": [2, 5], "noise": 15},
            ),
            (
                "busy-day",
                "An outage among many tickets that look like it",
                "medium",
                {"affected": [2, 8], "noise": 60},
            ),
        )
    )
