"""Tools that now and then fail, dawdle, answer with what was true before, or are cut off.

What befalls the n-th call of a tool depends on the seed, the tool and n alone, so that two agents
that make the same calls meet the same faults, in whatever order they make them. Submitting and the
hidden tools that graders use are left alone.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from fleetgym.conditions.clean import Clean, generator
from fleetgym.contracts.condition import Disturbance, Finding, FindingKind
from fleetgym.contracts.tools import SUBMIT, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fleetgym.contracts.scenario import Scenario

__all__ = ["NOISY_TOOLS", "NoisyTools"]

_RATES = {"error": 0.06, "slow": 0.06, "stale": 0.04, "truncated": 0.04}
"""Shares of the calls; the rest is served as ever."""

_SLOW_S = (0.1, 0.6)

_ERRORS = (
    "Error: the service is temporarily unavailable (503). Try again.",
    "Error: the backend did not answer in time. Try again.",
    "Error: too many requests (429). Try again.",
)


class NoisyTools(Clean):
    """Disturbs one call in five."""

    name = "noisy-tools"
    family = "noisy-tools"

    def __init__(self, pause: Callable[[float], None] = time.sleep) -> None:
        """Take what waits for some seconds."""
        self._pause = pause

    def disturb(self, scenario: Scenario, seed: int) -> Disturbance:
        """Return the faults of one episode."""
        return _Noise(f"{self.name}/{scenario.id}", seed, self._pause)


NOISY_TOOLS = NoisyTools()


class _Noise(Disturbance):
    def __init__(self, name: str, seed: int, pause: Callable[[float], None]) -> None:
        self._name = name
        self._seed = seed
        self._pause = pause
        self._calls: Counter[str] = Counter()
        self._latest: dict[str, ToolResult] = {}
        self._steps = 0
        self._fault = ""
        self._share = 0.0
        self._findings: list[Finding] = []

    def before(self, call: ToolCall) -> ToolResult | None:
        number = self._calls[call.name]
        self._calls[call.name] += 1
        draw = generator(self._name, self._seed, call.name, number)
        self._fault = draw.choices(("", *_RATES), (1 - sum(_RATES.values()), *_RATES.values()))[0]
        self._share = draw.random()
        if self._fault == "error":
            self._find(call, number)
            return ToolResult(draw.choice(_ERRORS), is_error=True)
        if self._fault == "slow":
            low, high = _SLOW_S
            self._find(call, number)
            self._pause(low + self._share * (high - low))
        if self._fault == "stale" and call.name in self._latest:
            self._find(call, number)
            return self._latest[call.name]
        return None

    def after(self, call: ToolCall, result: ToolResult) -> ToolResult:
        if self._fault == "truncated" and not result.is_error:
            self._find(call, self._calls[call.name] - 1)
            result = ToolResult(result.content[: int(self._share * len(result.content))])
        elif not result.is_error and call.name != SUBMIT:
            self._latest[call.name] = result
        self._fault = ""
        self._steps += 1
        return result

    def findings(self, *, over: bool = False) -> Sequence[Finding]:
        del over
        return tuple(self._findings)

    def _find(self, call: ToolCall, number: int) -> None:
        detail = f"{self._fault}: call {number + 1} of {call.name}"
        self._findings.append(Finding(FindingKind.INJECTED, self._steps, detail))
