"""What goes wrong on purpose between an agent and its model, and between an agent and its tools.

A plan says what happens and when; that the same seed meets the same faults is the condition's
affair (:mod:`fleetgym.conditions.faults`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

__all__ = [
    "NONE",
    "Fault",
    "FaultPlan",
    "ModelFault",
    "ModelFaultKind",
    "ToolFault",
    "ToolFaultKind",
]


class ModelFaultKind(StrEnum):
    """What can befall a request to the model."""

    RATE_LIMIT = "rate_limit"
    """Status 429 with ``Retry-After``; the model is not asked."""

    SERVER_ERROR = "server_error"
    """Status 500; the model is not asked."""

    TIME_OUT = "time_out"
    """Nothing for some seconds, then status 504, for those who wait that long."""

    SLOW = "slow"
    """The answer comes some seconds later."""

    CUT_OFF = "cut_off"
    """The connection breaks in the middle of the answer, streamed or not."""

    HTML = "html"
    """The page of a proxy, with status 200."""

    NO_CHOICES = "no_choices"
    """An answer with an empty list of choices."""

    EMPTY_MESSAGE = "empty_message"
    """An assistant message with neither text nor calls."""

    TRUNCATED = "truncated"
    """Half of the answer, with the finish reason ``length``."""

    MALFORMED_ARGUMENTS = "malformed_arguments"
    """The arguments of the first call break off, so they are not JSON."""

    MISSING_ARGUMENT = "missing_argument"
    """The first call lacks an argument, a required one if there is any."""

    UNKNOWN_TOOL = "unknown_tool"
    """The first call is of a tool that was never offered."""

    REPEAT = "repeat"
    """The model asks for the call before once more."""

    CIRCLE = "circle"
    """The model asks for the last two different calls in turn."""


class ToolFaultKind(StrEnum):
    """What can befall a tool call."""

    ERROR = "error"
    """The tool answers that it failed."""

    SLOW = "slow"
    """The answer comes later."""

    STALE = "stale"
    """The answer is that of the tool's call before."""

    TRUNCATED = "truncated"
    """Part of the answer is missing."""

    UNREACHABLE = "unreachable"
    """No answer: status 502 over HTTP, an exception in a plugin's tool."""


def _some(value: object) -> object:
    return (value,) if isinstance(value, int) else value


def _range(value: object) -> object:
    return (value, value) if isinstance(value, int | float) else value


_Number = Annotated[int, Field(ge=1)]
_Seconds = Annotated[float, Field(ge=0, le=600)]


class Fault(BaseModel):
    """One thing that goes wrong, and when: exactly one of ``at``, ``since`` and ``share``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Annotated[tuple[_Number, ...], BeforeValidator(_some)] = ()
    """Which one of a run, or which ones, counted from 1."""

    since: _Number | None = None
    """This one and all after it."""

    share: float = Field(default=0.0, ge=0, le=1)
    """Probability of each."""

    seconds: Annotated[tuple[_Seconds, _Seconds], BeforeValidator(_range)] = (0.1, 0.6)
    """For what takes time: a number, or least and most."""

    @model_validator(mode="after")
    def _says_when(self) -> Fault:
        if sum((bool(self.at), self.since is not None, bool(self.share))) != 1:
            raise ValueError("give exactly one of at, since and share")
        return self

    def hits(self, number: int) -> bool:
        """Return whether the ``number``-th is named; shares name none."""
        return number in self.at or (self.since is not None and number >= self.since)


class ModelFault(Fault):
    """A fault of requests to the model; ``at`` and ``since`` count all requests of the run."""

    fault: ModelFaultKind
    retry_after_s: _Seconds = 1.0
    """What a ``rate_limit`` asks to wait."""


class ToolFault(Fault):
    """A fault of tool calls; ``at`` and ``since`` count the calls that fit ``tool``."""

    fault: ToolFaultKind
    tool: str = "*"
    """Name or pattern."""


class FaultPlan(BaseModel):
    """All that goes wrong in a run; the first fault that hits is the one that happens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: tuple[ModelFault, ...] = ()
    tools: tuple[ToolFault, ...] = ()

    @model_validator(mode="after")
    def _shares_are_shares(self) -> FaultPlan:
        for where, faults in (("model", self.model), ("tools", self.tools)):
            if sum(fault.share for fault in faults) > 1:
                raise ValueError(f"the shares of {where} come to more than 1")
        return self

    def to_json(self) -> dict[str, Any]:
        """Return what was said, without defaults."""
        return self.model_dump(mode="json", exclude_defaults=True)


NONE = FaultPlan()
"""Nothing goes wrong."""
