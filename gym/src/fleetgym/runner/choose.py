"""What the command line changes in a suite before it is planned."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from fleetgym.contracts.errors import OperatorError, SpecError
from fleetgym.runner.suite import Suite

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_provider", "check_sandbox", "choose"]

HOSTILE = ("injection", "leak")
"""Kinds of conditions under which somebody else speaks to the agent."""


def choose(
    suite: Suite,
    *,
    model: str | None = None,
    frameworks: Sequence[str] = (),
    scenarios: Sequence[str] = (),
    seeds: str | None = None,
    settings: Sequence[str] = (),
) -> Suite:
    """Return ``suite`` with what was chosen in place of its own.

    Args:
        suite: As it was loaded.
        model: In place of all its models.
        frameworks: In place of its frameworks.
        scenarios: In place of its scenarios; patterns are allowed.
        seeds: As in a suite file, for example ``0-4``.
        settings: ``plugin.key=value``; the value is read as YAML.

    Raises:
        SpecError: A choice is malformed.
    """
    changed: dict[str, Any] = suite.model_dump()
    if model is not None:
        changed["models"] = [model]
    if frameworks:
        changed["frameworks"] = list(frameworks)
    if scenarios:
        changed["scenarios"] = list(scenarios)
    if seeds is not None:
        changed["seeds"] = seeds
    for setting in settings:
        plugin, key, value = _setting(setting)
        changed["parameters"].setdefault(plugin, {})[key] = value
    try:
        return Suite.model_validate(changed)
    except ValidationError as error:
        first = error.errors()[0]
        raise SpecError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from error


def _setting(text: str) -> tuple[str, str, Any]:
    name, equals, value = text.partition("=")
    plugin, dot, key = name.partition(".")
    if not (equals and dot and plugin and key):
        raise SpecError(
            f"--set {text!r} is not of the form PLUGIN.KEY=VALUE, "
            "for example langgraph.max_retries=2."
        )
    return plugin, key, yaml.safe_load(value)


def check_sandbox(suite: Suite, kind: str) -> None:
    """Check that what agents are talked into cannot do harm.

    Raises:
        SpecError: The suite has hostile conditions, and its sandboxes would isolate nothing.
    """
    # Patterns included: one that could fit a hostile condition counts as one.
    hostile = [
        c
        for c in suite.conditions
        if c.partition("/")[0] in HOSTILE or re.search(r"[*?\[]", c.partition("/")[0])
    ]
    if kind == "none" and hostile:
        raise SpecError(
            f"Suite {suite.name!r} has the condition {hostile[0]!r}, under which an agent may be "
            "talked into anything, and the sandbox 'none' isolates nothing. Use `--sandbox local` "
            "or `--sandbox docker`."
        )


def check_provider(base_url: str | None, model: str | None, key_variable: str) -> None:
    """Check that a provider can be asked at all.

    Raises:
        SpecError: There is an endpoint but no model.
        OperatorError: The variable with its key is not set.
    """
    if base_url is None:
        return
    if not base_url.startswith(("http://", "https://")):
        raise SpecError(f"--base-url {base_url!r} is no http or https URL.")
    if model is None:
        raise SpecError("--base-url needs --model, the name that the endpoint serves.")
    if not os.environ.get(key_variable):
        raise OperatorError(
            f"The environment variable {key_variable} is not set. Set it to the endpoint's key "
            "(any text when it wants none), or name another one with --api-key-env."
        )
