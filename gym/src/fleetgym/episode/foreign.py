"""Calls what environments, graders and policies bring, which may break in any way."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import FleetgymError, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["call_foreign", "last_line"]


def call_foreign(function: Callable[..., Any], *given: Any) -> Any:
    """Return what ``function`` does; have it fail in no way but one that voids the run.

    Made for threads: some exceptions (StopIteration, SystemExit) could not be handed to whoever
    waits for one, who would then wait for ever, or would end the lane.

    Raises:
        FleetgymError: As it was raised.
        SandboxError: For everything else, which is its cause.
    """
    try:
        return function(*given)
    except FleetgymError:
        raise
    except BaseException as error:
        raise SandboxError(f"The environment failed: {last_line(error)}") from error


def last_line(error: BaseException) -> str:
    """Return what a traceback ends with, as one sentence."""
    lines = "".join(traceback.format_exception_only(error)).strip().splitlines()
    said = lines[-1] if lines else type(error).__name__
    return said if said.endswith((".", "!", "?")) else f"{said}."
