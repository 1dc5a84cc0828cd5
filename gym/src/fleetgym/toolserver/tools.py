"""The functions of an episode's toolsets, called under a deadline and cut to size."""

from __future__ import annotations

import importlib
import inspect
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import ToolError
from fleetgym.contracts.tools import ToolResult, cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

    from fleetgym.contracts.sandbox import Limits, ToolFunction
    from fleetgym.contracts.tools import ToolSpec

__all__ = ["Tools"]


_GRACE_S = 3.0


class Tools:
    """All tools of one episode, hidden ones included. For a main thread, one call at a time."""

    def __init__(self, toolsets: Sequence[str], mounts: Mapping[str, str], limits: Limits) -> None:
        """Open the toolsets, which are modules; ``mounts`` are directories by name."""
        self._limits = limits
        self._functions: dict[str, ToolFunction] = {}
        self._hidden: set[str] = set()
        self.specs: list[ToolSpec] = []
        places = {name: Path(path) for name, path in mounts.items()}
        for name in toolsets:
            module = importlib.import_module(name)
            self.specs += module.SPECS
            self._hidden |= module.HIDDEN
            self._functions |= module.open_toolset(places, limits)
        signal.signal(signal.SIGALRM, _alarm)

    def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Return the result, or what the agent did wrong; any other failure is let through."""
        function = self._functions.get(name)
        if function is None:
            return ToolResult(f"There is no tool {name!r}.", is_error=True)
        try:
            inspect.signature(function).bind(**arguments)
        except TypeError as error:
            return ToolResult(f"{name} cannot be called like this: {error}.", is_error=True)
        try:
            text = self._in_time(function, arguments)
        except ToolError as error:
            return self._result(str(error), is_error=True)
        except _TooSlow:
            seconds = self._limits.call_seconds
            return ToolResult(
                f"{name} took longer than {seconds:g} s. Ask for less.", is_error=True
            )
        except MemoryError:
            return ToolResult(f"{name} ran out of memory. Ask for less.", is_error=True)
        # Hidden tools answer graders, who bound what they ask for.
        return self._result(text, whole=name in self._hidden)

    def _in_time(self, function: ToolFunction, arguments: Mapping[str, Any]) -> str:
        # A toolset that starts processes ends them by itself, in time and with better advice; the
        # alarm comes a little later, in case it does not.
        seconds = self._limits.call_seconds
        signal.setitimer(signal.ITIMER_REAL, seconds + min(0.2 + 0.1 * seconds, _GRACE_S))
        try:
            return function(**arguments)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _result(self, text: str, *, is_error: bool = False, whole: bool = False) -> ToolResult:
        return ToolResult(cut(text, sys.maxsize if whole else self._limits.output_bytes), is_error)


class _TooSlow(BaseException):
    """Raised by the alarm; not an ``Exception``, so that no tool swallows it."""


def _alarm(_signal: int, _frame: FrameType | None) -> None:
    raise _TooSlow
