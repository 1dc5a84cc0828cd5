"""Framework plugins: beside the runner, or in an environment of their own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from fleetgym.contracts.errors import SpecError
from fleetgym.contracts.specs import FrameworkSpec

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MANIFEST", "Manifest", "RegisteredFramework", "read_manifest"]

MANIFEST = "fleetgym-plugin.json"
"""Name of the file that describes the plugin of a virtual environment."""


class Manifest(BaseModel):
    """What a plugin's own interpreter said of it when it was added."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: dict[str, Any]
    """Fields of a :class:`FrameworkSpec`."""

    versions: dict[str, str]
    defaults: dict[str, Any]
    digest: str
    """Of everything that the environment was made from, and of the plugin's source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredFramework:
    """A framework that can be run."""

    spec: FrameworkSpec
    python: Path
    """Interpreter of the environment that the plugin lives in."""

    versions: dict[str, str]
    """Installed versions by distribution."""

    defaults: dict[str, Any]
    """The plugin's declared parameters."""

    @property
    def version(self) -> str:
        """Version of the framework's first distribution."""
        return self.versions[self.spec.distributions[0]]


def read_manifest(environment: Path) -> RegisteredFramework:
    """Return the framework in a virtual environment without starting its interpreter.

    Raises:
        SpecError: The environment is not whole; the text says what to do.
    """
    again = (
        f"`fleetgym plugins add` its folder again, or `fleetgym plugins remove {environment.name}`."
    )
    python = environment / "bin" / "python"
    if not python.exists():
        raise SpecError(f"its interpreter {str(python)!r} is gone. {again}")
    try:
        manifest = Manifest.model_validate_json((environment / MANIFEST).read_bytes())
        spec = _spec(manifest.spec)
    except (OSError, ValidationError, TypeError, KeyError, json.JSONDecodeError) as error:
        raise SpecError(
            f"its {MANIFEST} cannot be read ({type(error).__name__}). {again}"
        ) from error
    return RegisteredFramework(
        spec=spec, python=python, versions=manifest.versions, defaults=manifest.defaults
    )


def _spec(fields: dict[str, Any]) -> FrameworkSpec:
    lists = {name: tuple(fields[name]) for name in ("distributions", "topologies")}
    known: dict[str, Any] = {**fields, **lists}
    return FrameworkSpec(**known)
