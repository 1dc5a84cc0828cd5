"""RolloutPlanning-v1 as a Gymnasium env."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from fleetgym.env import ToolEnv
from fleetgym_cluster.releases.documents import NAMES
from fleetgym_cluster.releases.toolset import RELEASES
from fleetgym_env_rollout_planning.instance import generate
from fleetgym_graders.rollout import RolloutTruth
from fleetgym_platform.planting import plant_log

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["RolloutPlanningEnv"]


class RolloutPlanningEnv(ToolEnv):
    """A release is waiting: hand in manifests and a staged plan that keep the rules."""

    toolsets: ClassVar[tuple[str, ...]] = (
        "fleetgym_cluster.toolset",
        "fleetgym_cluster.releases.toolset",
    )
    sources: ClassVar[tuple[str, ...]] = ("fleetgym_cluster",)
    surfaces: ClassVar[frozenset[str]] = frozenset({"document", "log"})

    def generate(self, seed: int, directory: Path) -> tuple[str, Mapping[str, Any]]:
        """Write the cluster and the release of one instance."""
        prompt, truth = generate(self.scenario, seed, directory)
        return prompt, truth.to_json()

    def decode_truth(self, truth: Mapping[str, Any]) -> RolloutTruth:
        """Return the truth that the grader takes."""
        return RolloutTruth.from_json(truth)

    def plant(self, directory: Path, surface: str, text: str, seed: int) -> None:
        """Put ``text`` at the end of the platform's documents, or into logs of all workloads."""
        if surface == "log":
            plant_log(directory, text, seed)
            return
        path = directory / RELEASES
        book = json.loads(path.read_text("utf-8"))
        book["notes"] = dict.fromkeys(NAMES, text)
        path.write_text(json.dumps(book), "utf-8")
