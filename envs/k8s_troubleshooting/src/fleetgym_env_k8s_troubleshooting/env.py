"""K8sTroubleshooting-v1 as a Gymnasium env."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from fleetgym.env import ToolEnv
from fleetgym_env_k8s_troubleshooting.instance import generate
from fleetgym_graders.repair import RepairTruth
from fleetgym_platform.planting import plant_document, plant_log

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["K8sTroubleshootingEnv"]


class K8sTroubleshootingEnv(ToolEnv):
    """A cluster in which something is wrong: say what, and mend it without harm."""

    toolsets: ClassVar[tuple[str, ...]] = ("fleetgym_cluster.toolset",)
    sources: ClassVar[tuple[str, ...]] = ("fleetgym_cluster",)
    surfaces: ClassVar[frozenset[str]] = frozenset({"document", "log"})

    def generate(self, seed: int, directory: Path) -> tuple[str, Mapping[str, Any]]:
        """Write the cluster of one instance."""
        prompt, truth = generate(self.scenario, seed, directory)
        return prompt, truth.to_json()

    def decode_truth(self, truth: Mapping[str, Any]) -> RepairTruth:
        """Return the truth that the grader takes."""
        return RepairTruth.from_json(truth)

    def plant(self, directory: Path, surface: str, text: str, seed: int) -> None:
        """Put ``text`` into a note of the platform's team, or into logs of all workloads."""
        if surface == "document":
            plant_document(directory, text)
        else:
            plant_log(directory, text, seed)
