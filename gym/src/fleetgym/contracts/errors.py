"""Every error fleetgym raises on purpose, by who has to act.

* FleetgymError
  x SpecError               a spec, suite, scenario or plugin is wrong; fix the file
    + UnknownName           no environment, scenario, framework, model … of that name
  x OperatorError           this machine, key, port or directory is not ready; see the message
    + MissingDependency     something has to be installed first; says what
  x SandboxError            the sandbox failed; the run is void, not a zero
    + SandboxTimeout        it did not answer within its limit
  x ModelError              the model's upstream failed for good; outcome ``model_error``
  x PlanLost                a reference policy cannot go on from what it saw; it stops
  x ToolUnreachable         a tool gave no answer; what an agent's framework makes of it is measured
  x ToolError               the agent's call was wrong; shown to the agent, costs a step
  x EpisodeOver             the agent went on after its episode had ended
"""

from __future__ import annotations

import difflib
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "EpisodeOver",
    "FleetgymError",
    "MissingDependency",
    "ModelError",
    "OperatorError",
    "PlanLost",
    "SandboxError",
    "SandboxTimeout",
    "SpecError",
    "ToolError",
    "ToolUnreachable",
    "UnknownName",
    "did_you_mean",
]


_SHOWN = 12


class FleetgymError(Exception):
    """Base of every error raised on purpose; its text is one complete message for a person."""


class SpecError(FleetgymError):
    """Something a contributor wrote is wrong: a suite, scenario, spec or plugin."""


class UnknownName(SpecError):
    """Nothing of this kind has this name.

    Attributes:
        kind: What was looked for, for example ``"scenario"``.
        name: The name as it was given.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, remedy: str = "") -> None:
        self.kind = kind
        self.name = name
        names = sorted(known)
        shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
        self._known, self._remedy = names, remedy
        hint = f"Known: {shown}." if names else "There are none."
        hint = did_you_mean(name, names) or f"{hint} {remedy}".rstrip()
        super().__init__(f"There is no {kind} {name!r}. {hint}")

    def __reduce__(self) -> tuple[partial[UnknownName], tuple[str, str, list[str]]]:
        """Let it pass between processes, which an exception with several arguments cannot."""
        return partial(type(self), remedy=self._remedy), (self.kind, self.name, self._known)


class OperatorError(FleetgymError):
    """This machine is not ready for what was asked; the message says what to do."""


class MissingDependency(OperatorError):
    """A program or package is missing; the message holds the command that installs it."""


class SandboxError(FleetgymError):
    """The sandbox failed, so the run is void: it is retried, and never scored."""


class SandboxTimeout(SandboxError):
    """The sandbox did not answer within its limit."""


class ModelError(FleetgymError):
    """The model's upstream failed in a way that no retry of ours may hide.

    Attributes:
        status: HTTP status that the agent is answered with.
    """

    def __init__(self, message: str, *, status: int = 502) -> None:
        self.status = status
        super().__init__(message)


class PlanLost(FleetgymError):
    """A plan cannot go on from what it saw: the policy stops, as a model that is at a loss."""


class ToolError(FleetgymError):
    """The agent's call was wrong. The text goes to the agent and says what to try."""


class ToolUnreachable(FleetgymError):
    """A tool gave no answer, as when a server is gone: an exception within an agent's tool."""


class EpisodeOver(FleetgymError):
    """The episode has ended: submitted, out of budget, or closed."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``Did you mean 'x'?`` for the nearest of ``known``, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else ""
