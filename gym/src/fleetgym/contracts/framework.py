"""What a framework plugin implements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.episode import Episode

__all__ = ["SINGLE", "Framework"]

SINGLE = "single"
"""The topology of one agent that has all tools."""


class Framework(Protocol):
    """Runs an agent framework on an episode, in the framework's own recommended form.

    An adapter maps the brief, the tools and the model's endpoint to the framework and lets it
    act. It repairs nothing: one that does is a variant of its own name.
    """

    name: str
    """As in its spec, for example ``langgraph``."""

    topologies: Sequence[str]
    """What :meth:`run` accepts, :data:`SINGLE` first. All others are of the brief's team."""

    defaults: Mapping[str, Any]
    """Every declared parameter (limits, retries, time-outs) with its default; JSON."""

    def warm(self) -> None:
        """Import all that a run needs, and run nothing: the process forks afterwards."""
        ...

    def versions(self) -> Mapping[str, str]:
        """Return distribution names and installed versions of what is measured."""
        ...

    def run(self, episode: Episode, topology: str, parameters: Mapping[str, Any]) -> str:
        """Let the agent act until it ends by itself, and return its closing text.

        Whatever the framework raises is let through: the outcome is ``framework_error`` unless
        an artifact was submitted before.

        Args:
            episode: The only thing it may talk to.
            topology: One of :attr:`topologies`.
            parameters: :attr:`defaults`, some of them overridden.
        """
        ...
