from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from fleetgym.contracts.sandbox import Limits, SandboxSpec
from fleetgym_env_cti_realm import instance
from fleetgym_env_cti_realm.env import CtiRealmEnv


class HostileEnv(CtiRealmEnv):
    toolsets: ClassVar[tuple[str, ...]] = (
        *CtiRealmEnv.toolsets,
        "fleetgym.toolserver.shell",
        "fleetgym_hostile_tools",
    )
    limits: ClassVar[Limits] = Limits(
        memory_bytes=1024 * 1024**2,
        call_seconds=2.0,
        processes=32,
        open_files=128,
        scratch_bytes=16 * 1024**2,
    )

    @property
    def sandbox_spec(self) -> SandboxSpec:  # pyright: ignore[reportIncompatibleVariableOverride]
        return replace(super().sandbox_spec, image=os.environ.get("FLEETGYM_HOSTILE_IMAGE", ""))

    def generate(self, seed: int, directory: Path) -> tuple[str, Mapping[str, Any]]:
        told = replace(self.scenario, id=self.scenario.id.replace("hostile/", "cti/"))
        made = instance.generate(told, seed, directory)
        return made.prompt, made.truth.to_json()
