"""A declarative, versioned task of an environment."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.json import digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym.contracts.team import Role

__all__ = ["Budget", "Scenario"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a run may spend; the gateway and the episode end it, whatever the framework thinks."""

    steps: int = 40
    """Tool calls, ``submit`` included."""

    model_calls: int = 80
    """Requests to the model, over all agents; refused ones count."""

    tokens: int = 2_000_000
    """Input and output tokens together, over all agents."""

    seconds: float = 120.0
    """Wall-clock time from the worker's start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One task: what the agent is told, may use and may spend, and what it has to hand in."""

    id: str
    """``family/name``, for example ``cti/linux-cron-persistence``."""

    version: int
    """Moves whenever scores would."""

    environment: str
    """For example ``fleetgym/CtiRealm-v1``."""

    title: str
    """One line for people."""

    platform: str
    """For example ``linux``, ``aks`` or ``azure``."""

    difficulty: str
    """``easy``, ``medium`` or ``hard``."""

    system: str = ""
    """The agent's role and the rules."""

    prompt: str
    """What the agent is told; placeholders in braces are filled from the instance."""

    tools: tuple[str, ...]
    """Names of the tools it may call, ``submit`` last."""

    artifact_schema: Mapping[str, Any]
    """JSON Schema of what it hands in."""

    checkpoints: Mapping[str, Mapping[str, float]] = field(
        default_factory=dict[str, "Mapping[str, float]"]
    )
    """By grader, the names and weights of its checkpoints. An env whose grader is named here, and
    sets others, refuses to start.
    """

    budget: Budget = field(default_factory=Budget)

    success_at: float = 0.8
    """A final score of at least this is a success, in (0, 1]."""

    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the environment's generator needs; JSON."""

    vague_prompt: str = ""
    """The prompt without its specifics, for the condition ``vague``; same placeholders."""

    minimal_tools: tuple[str, ...] = ()
    """What the task cannot do without, ``submit`` last, for the condition ``minimal-tools``."""

    memory: str = ""
    """Notes of earlier investigations, for the condition ``seeded-memory``."""

    team: tuple[Role, ...] = ()
    """Who does what where more than one agent works on it; topologies of a team need it."""

    needs_model: bool = False
    """No reference policy can do it; only a provider's model can try."""

    source: Path | None = field(default=None, compare=False)
    """The file that declares it, or the directory that it was read from, if there is one."""

    def digest(self) -> str:
        """Return the SHA-256 of everything above but ``source``.

        What may be left out counts where it is given.
        """
        optional = {"system", "vague_prompt", "minimal_tools", "memory", "needs_model", "team"}
        return digest(
            {
                name: part
                for name, part in asdict(self).items()
                if name != "source" and (part or name not in optional)
            }
        )
