"""The hooks that a plugin may implement.

A plugin is a module named by an entry point of the group ``fleetgym``. Its hooks are called once,
when the registry is first used, for every command including ``fleetgym list``: import nothing
heavy there. A plugin that fails is listed as broken with its reason and stops no one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetgym.contracts.specs import (
        ConditionSpec,
        EnvSpec,
        FrameworkSpec,
        GraderSpec,
        ModelSpec,
    )

__all__ = [
    "hookimpl",
    "hookspec",
    "register_conditions",
    "register_environments",
    "register_frameworks",
    "register_graders",
    "register_models",
]

hookspec = pluggy.HookspecMarker("fleetgym")
hookimpl = pluggy.HookimplMarker("fleetgym")


@hookspec
def register_conditions(register: Callable[[ConditionSpec], None]) -> None:
    """Offer conditions that any scenario can be run under.

    Args:
        register: Adds one spec. Raises ``SpecError`` if its name is taken.
    """


@hookspec
def register_environments(register: Callable[[EnvSpec], None]) -> None:
    """Offer environments.

    Args:
        register: Adds one spec. Raises ``SpecError`` if its id is taken.
    """


@hookspec
def register_frameworks(register: Callable[[FrameworkSpec], None]) -> None:
    """Offer agent frameworks.

    Also called inside the framework's own environment, where fleetgym's base install is all
    there is.

    Args:
        register: Adds one spec. Raises ``SpecError`` if its name is taken.
    """


@hookspec
def register_graders(register: Callable[[GraderSpec], None]) -> None:
    """Offer graders.

    Args:
        register: Adds one spec. Raises ``SpecError`` if its name is taken.
    """


@hookspec
def register_models(register: Callable[[ModelSpec], None]) -> None:
    """Offer models that need no endpoint.

    Args:
        register: Adds one spec. Raises ``SpecError`` if its name is taken.
    """
