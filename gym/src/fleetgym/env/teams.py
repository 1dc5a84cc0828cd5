"""What the members of a team are told: the same words, whichever framework they work in.

Each is told the scenario's system text, who it is, and what the others can do. The lines on the
others are of one form, ``NAME: what it does. Tools: a, b.``, which :mod:`fleetgym.policy.roster`
reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym.contracts.team import COORDINATOR, Member, Team

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetgym.contracts.team import Role

__all__ = ["assembled"]

_MEMBER = """{system}

You are {name}, one of a team. You have your tools, and your colleagues have theirs:
{roster}

Do what your tools are for. When something else is needed, tell what you have found and leave it \
to the colleague whose tools can do it. The task is done when the answer is handed in."""

_COORDINATOR = """{system}

You are {name}, the one of a team who sends the others to work. You have no tools of the task; \
your colleagues have:
{roster}

Ask one of them at a time, tell what the task is and what is known so far, and go on until the \
answer is handed in. Do not hand in anything yourself."""


def assembled(roles: Sequence[Role], system: str, tools: Sequence[str]) -> Team | None:
    """Return the team of a brief; None where the scenario has none.

    Tools that are not offered are nobody's. Those that no role names, which a condition brought,
    are everybody's. A role that is left without a tool is left out.

    Args:
        roles: The scenario's.
        system: The brief's system text.
        tools: Names of the tools that are offered.
    """
    taken = {tool for role in roles for tool in role.tools}
    shared = [tool for tool in tools if tool not in taken]
    owned = {role.name: [tool for tool in tools if tool in role.tools] for role in roles}
    present = [role for role in roles if owned[role.name]]
    if not present:
        return None
    lines = {
        role.name: f"{role.summary}. Tools: {', '.join(owned[role.name])}." for role in present
    }
    roster = "\n".join(f"- {name}: {line}" for name, line in lines.items())

    def told(template: str, name: str) -> str:
        return template.format(system=system, name=name, roster=roster)

    return Team(
        coordinator=Member(
            name=COORDINATOR,
            description="Sends the others to work.",
            system=told(_COORDINATOR, COORDINATOR),
            tools=(),
        ),
        members=[
            Member(
                name=role.name,
                description=lines[role.name],
                system=told(_MEMBER, role.name),
                tools=(*owned[role.name], *shared),
            )
            for role in present
        ],
    )
