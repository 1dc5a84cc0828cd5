"""An episode, as the agent's side sees it: a brief, tools, a model, and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.scenario import Budget
    from fleetgym.contracts.team import Member, Team
    from fleetgym.contracts.tools import ToolResult, ToolSpec

__all__ = ["Brief", "Episode", "Event", "ModelEndpoint", "passed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """All that an agent is told at the start."""

    system: str
    """Its role and the rules; the same for every instance of a scenario."""

    task: str
    """What to do in this instance."""

    tools: Sequence[ToolSpec]
    """What it may call, ``submit`` included."""

    artifact_schema: Mapping[str, Any]
    """JSON Schema of what ``submit`` takes, as JSON text, in its argument ``answer``."""

    team: Team | None = None
    """Who works on it in topologies with more than one agent; None where the scenario has none."""

    def tools_of(self, member: Member) -> list[ToolSpec]:
        """Return what a member of the team may call."""
        return [tool for tool in self.tools if tool.name in member.tools]

    @property
    def prompt(self) -> str:
        """``system`` and ``task`` as one text, for agents that take only one."""
        return f"{self.system}\n\n{self.task}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEndpoint:
    """Where one agent of a run finds its model: OpenAI-compatible chat completions."""

    base_url: str
    """Ends in ``/v1``; one per run and agent, so that tokens are attributed to the agent."""

    api_key: str
    """The episode's token; opens nothing else."""

    model: str
    """The name to ask for."""

    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """To be sent with each request (``traceparent`` among them)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something an agent did that neither the gateway nor the episode can see."""

    kind: str
    """``handoff``, ``message`` (between agents), ``decision``, or the framework's own word."""

    agent: str = "main"
    """Who did it."""

    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """JSON; those of what goes from one agent to another are set by :func:`passed`."""


def passed(kind: str, sender: str, receiver: str, content: str) -> Event:
    """Return the event of something that went from one agent to another.

    Args:
        kind: ``handoff`` when the receiver is to act next, ``message`` otherwise.
        sender: Whose words they are.
        receiver: Who gets them; ``all`` for the whole team.
        content: The words. They are measured, and not kept: in characters, and whether they are
            JSON, so ``structured``.
    """
    try:
        structured = isinstance(json.loads(content), dict | list)
    except (ValueError, RecursionError):
        structured = False
    attributes = {"to": receiver, "size": len(content), "structured": structured}
    return Event(kind=kind, agent=sender, attributes=attributes)


class Episode(Protocol):
    """What a framework plugin is handed. Thread-safe; every method blocks."""

    @property
    def brief(self) -> Brief:
        """What the agent is told."""
        ...

    @property
    def budget(self) -> Budget:
        """What the run may spend; enforced elsewhere, here to be planned with."""
        ...

    @property
    def seed(self) -> int:
        """For the model's ``seed`` parameter; says nothing about the instance."""
        ...

    @property
    def submitted(self) -> bool:
        """Whether an artifact has been accepted."""
        ...

    def call(self, name: str, arguments: Mapping[str, Any], *, agent: str = "main") -> ToolResult:
        """Call a tool; a wrong call gives a result with ``is_error``, never an exception.

        Args:
            name: One of the brief's tools.
            arguments: JSON.
            agent: Who calls, as in :meth:`model`.

        Raises:
            EpisodeOver: The episode has ended; stop.
            ToolUnreachable: There is no answer. Let it through, as a tool lets through what it
                meets: what the framework makes of it is measured.
        """
        ...

    def submit(self, artifact: Mapping[str, Any] | str, *, agent: str = "main") -> ToolResult:
        """Hand in the artifact, an object or its JSON text; the same as calling ``submit``."""
        ...

    def model(self, agent: str = "main") -> ModelEndpoint:
        """Return the endpoint of one agent, named by 1 to 40 letters, digits, ``-`` or ``_``."""
        ...

    def emit(self, event: Event) -> None:
        """Record what only the framework can see."""
        ...
