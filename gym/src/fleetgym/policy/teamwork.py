"""What a member of a team does about a call that is a colleague's to make.

It looks at nothing but the request: a tool that is named after the colleague, a tool that takes a
colleague's name, or, when there is neither, the end of its turn.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.tools import SUBMIT
from fleetgym.policy.conversation import Say, Use
from fleetgym.policy.findings import written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.policy.conversation import Conversation, Exchange, Move, Parameters
    from fleetgym.policy.roster import Roster

__all__ = ["chosen", "ended", "passed_on"]

_WHOM = frozenset({"coworker", "colleague", "agent", "agent_name", "assistant"})
"""Parameters that take a member's name."""


def chosen(team: Roster, owner: str | None) -> Say:
    """Name the next speaker: who has the tool that is needed, or the one who ends the task."""
    return Say(owner or team.owners.get(SUBMIT) or team.names[-1])


def ended(words: str, news: Sequence[Exchange]) -> Say:
    """End the turn, and tell what nobody was told yet."""
    return Say("\n\n".join(filter(None, (words, written(news)))))


def passed_on(
    tool: str,
    owner: str,
    conversation: Conversation,
    *,
    news: Sequence[Exchange],
    known: Sequence[Exchange],
) -> Move:
    """Leave a call to the member whose it is.

    Args:
        tool: What has to be called next.
        owner: Whose tool it is.
        conversation: What the request tells; it is of a team.
        news: What the model found out and has told nobody yet.
        known: All that it knows.
    """
    words = f"Next is {owner}, with {tool}."
    for name, parameters in _ways(conversation, owner):
        arguments = _addressed(parameters, owner, words, conversation.task, written(known))
        return Use(name, json.dumps(arguments, ensure_ascii=False))
    return ended(words, news)


def _ways(conversation: Conversation, owner: str) -> list[tuple[str, Parameters]]:
    """Return offered tools that reach a member, those that bear its name first."""
    assert conversation.team is not None, "who passes on has a team"
    others = {
        name: parameters
        for name, parameters in conversation.offered.items()
        if name not in conversation.team.owners
    }
    named = [(name, taken) for name, taken in others.items() if owner in name.lower()]
    taking = [(name, taken) for name, taken in others.items() if _WHOM & taken.properties.keys()]
    # Of a question and an order, the order.
    return named + sorted(taking, key=lambda way: "delegate" not in way[0].lower())


def _addressed(
    parameters: Parameters, owner: str, words: str, task: str, known: str
) -> Mapping[str, Any]:
    """Return arguments for a tool that reaches a member: whom, what the task is, what is known."""
    texts = [
        name
        for name in parameters.properties
        if name not in _WHOM and parameters.schema_of(name).get("type") == "string"
    ]
    context = next((name for name in texts if "context" in name), None)
    whole = "\n\n".join(filter(None, (task, words, "" if context else known)))
    arguments = {name: whole for name in texts if name in parameters.required and name != context}
    if context is not None:
        arguments[context] = known
    arguments.update({name: owner for name in parameters.properties if name in _WHOM})
    return arguments
