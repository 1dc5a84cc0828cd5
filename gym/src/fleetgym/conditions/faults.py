"""Faults of the model and of tools: presets, and whatever plan a suite declares.

What befalls requests to the model happens at the gateway (:mod:`fleetgym.gateway.faults`), what
befalls tools here. Submitting and the hidden tools that graders use are left alone.
"""

from __future__ import annotations

import time
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from fleetgym.conditions.clean import Clean
from fleetgym.conditions.schedule import Schedule
from fleetgym.contracts.condition import Disturbance, Finding, FindingKind
from fleetgym.contracts.faults import FaultPlan, ModelFault, ModelFaultKind, ToolFault
from fleetgym.contracts.faults import ToolFaultKind as Tool
from fleetgym.contracts.json import digest
from fleetgym.contracts.tools import SUBMIT, ToolCall, ToolResult

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from fleetgym.contracts.scenario import Scenario

__all__ = ["CALM", "NOISY_TOOLS", "ROUGH", "STORM", "Faults", "declared"]

_ERRORS = (
    "Error: the service is temporarily unavailable (503). Try again.",
    "Error: the backend did not answer in time. Try again.",
    "Error: too many requests (429). Try again.",
)
_UNREACHABLE = "the tool server could not be reached, and nothing was done."


class Faults(Clean):
    """Lets a plan of faults befall every run."""

    family = "faults"

    def __init__(
        self,
        name: str,
        plan: FaultPlan,
        *,
        version: str = "",
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the plan; without a version, its digest is one."""
        self.name = name
        self.faults = plan
        self.version = version or digest(plan.to_json())[:12]
        self._pause = pause

    def disturb(self, scenario: Scenario, seed: int) -> Disturbance:
        """Return the faults of one episode's tools."""
        schedule = Schedule(self.faults.tools, f"{self.name}/{scenario.id}", seed)
        return _FaultyTools(schedule, self._pause)


def declared(plans: Mapping[str, FaultPlan]) -> list[Faults]:
    """Return the conditions that a suite brings, ``faults/<name>``."""
    return [Faults(f"faults/{name}", plan) for name, plan in plans.items()]


class _FaultyTools(Disturbance):
    def __init__(self, schedule: Schedule[ToolFault], pause: Callable[[float], None]) -> None:
        self._schedule = schedule
        self._pause = pause
        self._latest: dict[str, ToolResult] = {}
        self._steps = 0
        self._cut: tuple[ToolFault, float] | None = None
        self._findings: list[Finding] = []

    def before(self, call: ToolCall) -> ToolResult | None:
        fault, draw = self._schedule.next(call.name, lambda one: fnmatchcase(call.name, one.tool))
        return None if fault is None else self._befall(fault, call, draw)

    def _befall(self, fault: ToolFault, call: ToolCall, draw: random.Random) -> ToolResult | None:
        share = draw.random()
        match fault.fault:
            case Tool.ERROR:
                self._find(fault, call)
                return ToolResult(draw.choice(_ERRORS), is_error=True)
            case Tool.UNREACHABLE:
                self._find(fault, call)
                return ToolResult(f"Error: {_UNREACHABLE}", is_error=True)
            case Tool.SLOW:
                low, high = fault.seconds
                self._find(fault, call)
                self._pause(low + share * (high - low))
            case Tool.STALE if call.name in self._latest:
                self._find(fault, call)
                return self._latest[call.name]
            case Tool.TRUNCATED:
                self._cut = fault, share
            case _:
                pass
        return None

    def after(self, call: ToolCall, result: ToolResult) -> ToolResult:
        if self._cut is not None and not result.is_error:
            fault, share = self._cut
            self._find(fault, call)
            result = ToolResult(result.content[: int(share * len(result.content))])
        elif not result.is_error and call.name != SUBMIT:
            self._latest[call.name] = result
        self._cut = None
        self._steps += 1
        return result

    def findings(self, *, over: bool = False) -> Sequence[Finding]:
        del over
        return tuple(self._findings)

    def _find(self, fault: ToolFault, call: ToolCall) -> None:
        detail = f"call {self._schedule.seen(call.name)} of {call.name}"
        self._findings.append(Finding(FindingKind.INJECTED, self._steps, detail, fault.fault))


def _model(**shares: float) -> tuple[ModelFault, ...]:
    waits = {"slow": (1.0, 3.0), "time_out": (5.0, 5.0)}
    return tuple(
        ModelFault(fault=ModelFaultKind(kind), share=share, seconds=waits.get(kind, (0.0, 0.0)))
        for kind, share in shares.items()
    )


def _tools(**shares: float) -> tuple[ToolFault, ...]:
    return tuple(ToolFault(fault=Tool(kind), share=share) for kind, share in shares.items())


NOISY_TOOLS = Faults(
    "noisy-tools",
    FaultPlan(tools=_tools(error=0.06, slow=0.06, stale=0.04, truncated=0.04)),
    version="1",
)
"""Disturbs one tool call in five, and no request."""

CALM = Faults(
    "calm",
    FaultPlan(
        model=_model(rate_limit=0.01, server_error=0.01, slow=0.02),
        tools=_tools(error=0.01, slow=0.02),
    ),
    version="1",
)
"""A provider and tools on a good day."""

ROUGH = Faults(
    "rough",
    FaultPlan(
        model=_model(
            rate_limit=0.04, server_error=0.03, time_out=0.005, slow=0.03, cut_off=0.01,
            empty_message=0.01, truncated=0.005, malformed_arguments=0.01,
            missing_argument=0.01, unknown_tool=0.01,
        ),
        tools=_tools(error=0.05, slow=0.05, stale=0.01, truncated=0.01, unreachable=0.01),
    ),
    version="1",
)  # fmt: skip
"""A bad day: one request in six goes wrong, and one tool call in eight."""

STORM = Faults(
    "storm",
    FaultPlan(
        model=_model(
            rate_limit=0.10, server_error=0.08, time_out=0.01, slow=0.05, cut_off=0.03,
            html=0.01, no_choices=0.01, empty_message=0.03, truncated=0.01,
            malformed_arguments=0.03, missing_argument=0.02, unknown_tool=0.02,
        ),
        tools=_tools(error=0.12, slow=0.08, stale=0.03, truncated=0.03, unreachable=0.04),
    ),
    version="1",
)  # fmt: skip
"""An outage: two requests in five go wrong, and three tool calls in ten."""
