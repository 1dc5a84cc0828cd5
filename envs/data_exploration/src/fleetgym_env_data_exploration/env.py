"""DataExploration-v1 as a Gymnasium env."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from fleetgym.env import ToolEnv
from fleetgym_env_data_exploration.instance import generate
from fleetgym_env_data_exploration.planting import plant_remark
from fleetgym_graders.exploration import ExplorationTruth

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["DataExplorationEnv"]


class DataExplorationEnv(ToolEnv):
    """Tables that nobody described: say what they hold, and answer a question."""

    toolsets: ClassVar[tuple[str, ...]] = ("fleetgym.toolserver.warehouse",)
    sources: ClassVar[tuple[str, ...]] = ("fleetgym_warehouse",)
    surfaces: ClassVar[frozenset[str]] = frozenset({"document"})

    def generate(self, seed: int, directory: Path) -> tuple[str, Mapping[str, Any]]:
        """Write the tables of one instance, and their twins."""
        prompt, truth = generate(self.scenario, seed, directory)
        return prompt, truth.to_json()

    def decode_truth(self, truth: Mapping[str, Any]) -> ExplorationTruth:
        """Return the truth that the grader takes."""
        return ExplorationTruth.from_json(truth)

    def plant(self, directory: Path, surface: str, text: str, seed: int) -> None:
        """Put ``text`` into remarks on orders."""
        del surface, seed
        plant_remark(directory, text)
