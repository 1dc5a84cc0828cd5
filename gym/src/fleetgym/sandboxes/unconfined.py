"""``none``: the tool server is a plain process with the runner's rights."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from fleetgym.sandboxes.imports import find_imports
from fleetgym.sandboxes.launch import ENVIRONMENT, Launcher, ProcessLaunch
from fleetgym.sandboxes.server_command import server_arguments

if TYPE_CHECKING:
    from pathlib import Path

    from fleetgym.contracts.sandbox import SandboxSpec
    from fleetgym.sandboxes.launch import Launch

__all__ = ["Unconfined"]


class Unconfined(Launcher):
    """For machines without namespaces and agents that are trusted; hides only the environment."""

    kind = "none"

    def prepare(self, spec: SandboxSpec, jail: Path) -> Launch:
        """Start the server with this interpreter."""
        imports = find_imports(spec.toolsets)
        scratch = str(jail / "scratch")
        mounts = {name: str(path.resolve()) for name, path in spec.mounts.items()}
        mounts["data"] = str(jail / "data")
        return ProcessLaunch(
            command=(
                sys.executable,
                "-P",
                *server_arguments(
                    spec, mounts, scratch=scratch, python=sys.executable, isolated=False
                ),
            ),
            environment={
                **ENVIRONMENT,
                "HOME": scratch,
                "TMPDIR": scratch,
                "PYTHONPATH": os.pathsep.join(map(str, imports.roots)),
            },
            mounts=mounts,
        )
