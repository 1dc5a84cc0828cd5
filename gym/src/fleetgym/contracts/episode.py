"""An episode, as the agent's side sees it: a brief, tools, a model, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.scenario import Budget
    from fleetgym.contracts.tools import ToolResult, ToolSpec

__all__ = ["Brief", "Episode", "Event", "ModelEndpoint"]


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
    """JSON; for example ``to`` and ``size`` of a hand-off."""


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

    def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Call a tool; a wrong call gives a result with ``is_error``, never an exception.

        Raises:
            EpisodeOver: The episode has ended; stop.
        """
        ...

    def submit(self, artifact: Mapping[str, Any] | str) -> ToolResult:
        """Hand in the artifact, an object or its JSON text; the same as calling ``submit``."""
        ...

    def model(self, agent: str = "main") -> ModelEndpoint:
        """Return the endpoint of one agent, named by 1 to 40 letters, digits, ``-`` or ``_``."""
        ...

    def emit(self, event: Event) -> None:
        """Record what only the framework can see."""
        ...
