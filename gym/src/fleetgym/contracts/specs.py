"""What plugins register: names and where to import from, so that listing imports nothing."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ConditionSpec", "EnvSpec", "FrameworkSpec", "GraderSpec", "ModelSpec", "load"]

_ENV_ID = re.compile(r"[A-Za-z0-9][\w-]*/[A-Za-z0-9][\w-]*-v\d+")
_NAME = re.compile(r"[a-z0-9][a-z0-9_/.-]{0,63}")
_ENTRY = re.compile(r"[\w.]+:\w+")


def _check(kind: str, name: str, entry_point: str) -> None:
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"{kind} name {name!r} must be 1 to 64 lower-case letters, digits or any of '_/.-'."
        )
    _check_entry(name, entry_point)


def _check_entry(name: str, entry_point: str) -> None:
    if not _ENTRY.fullmatch(entry_point):
        raise SpecError(
            f"{name}: entry point {entry_point!r} is not of the form 'package.module:name'."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionSpec:
    """Names a condition."""

    name: str
    """``family`` or ``family/form``, for example ``injection/document-weak``."""

    entry_point: str
    """``package.module:name`` of a :class:`fleetgym.contracts.condition.Condition`."""

    family: str
    summary: str

    hostile: bool = False
    """Whether somebody else speaks to the agent; such runs need a sandbox that isolates."""

    def __post_init__(self) -> None:
        """Reject a malformed spec at registration."""
        _check("Condition", self.name, self.entry_point)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvSpec:
    """Names an environment without importing it.

    The version in ``id`` counts changes that move scores.
    """

    id: str
    """``namespace/Name-vN``, for example ``fleetgym/CtiRealm-v1``."""

    entry_point: str
    """``package.module:Class`` of a :class:`fleetgym.env.ToolEnv`, imported when it is made."""

    scenarios: str
    """``package.module:function`` that returns its scenarios; imports no Gymnasium."""

    policy: str
    """``package.module:Class`` of its :class:`fleetgym.contracts.policy.ReferencePolicy`."""

    graders: tuple[str, ...]
    """Names of the graders that fit, the default first."""

    summary: str
    """One line for `fleetgym list environments`."""

    adversaries: str = ""
    """``package.module:name`` of a sequence of :class:`fleetgym.contracts.policy.Adversary`, those
    that know the environment's tools; `fleetgym check env` plays them beside its own.
    """

    dataset: str = ""
    """``package.module:function`` that takes the directory of a published data set and returns its
    samples as scenarios, or raises ``SpecError``; for an environment that can play one.
    """

    def __post_init__(self) -> None:
        """Reject a malformed spec at registration, where the contributor sees it."""
        if not _ENV_ID.fullmatch(self.id):
            raise SpecError(
                f"Environment id {self.id!r} is not of the form 'namespace/Name-vN', "
                "for example 'fleetgym/CtiRealm-v1'."
            )
        entries = [self.entry_point, self.scenarios, self.policy]
        for entry in (*entries, *filter(None, (self.adversaries, self.dataset))):
            _check_entry(self.id, entry)
        if not self.graders:
            raise SpecError(f"{self.id}: names no grader.")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkSpec:
    """Names a framework plugin without importing the framework."""

    name: str
    entry_point: str
    """``package.module:Class`` of a :class:`fleetgym.contracts.framework.Framework`."""

    distributions: tuple[str, ...]
    """What is measured; the first one's version stands behind ``@`` in run ids."""

    topologies: tuple[str, ...]
    summary: str

    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """Environment variables its process is started with, for example to switch telemetry off."""

    def __post_init__(self) -> None:
        """Reject a malformed spec at registration."""
        _check("Framework", self.name, self.entry_point)
        if not self.distributions or not self.topologies:
            raise SpecError(f"Framework {self.name!r} must name distributions and topologies.")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraderSpec:
    """Names a grader."""

    name: str
    """``family/name``, for example ``cti/strict``."""

    entry_point: str
    """``package.module:Class`` of a :class:`fleetgym.contracts.scoring.Grader`."""

    summary: str

    def __post_init__(self) -> None:
        """Reject a malformed spec at registration."""
        _check("Grader", self.name, self.entry_point)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Names a model that needs no endpoint, such as a profile of the reference policy."""

    name: str
    """For example ``policy/competent``."""

    summary: str
    entry_point: str
    """``package.module:name`` of a :class:`fleetgym.policy.profiles.Profile`."""

    def __post_init__(self) -> None:
        """Reject a malformed spec at registration."""
        _check("Model", self.name, self.entry_point)


def load(entry_point: str) -> Any:
    """Import and return what ``package.module:name`` names.

    Raises:
        SpecError: It cannot be imported; the cause is chained.
    """
    module, _, name = entry_point.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise SpecError(f"{entry_point!r} cannot be imported: {error}.") from error
