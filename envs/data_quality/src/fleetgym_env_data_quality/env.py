"""DataQuality-v1 as a Gymnasium env."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from fleetgym.env import ToolEnv
from fleetgym_env_data_quality.instance import generate
from fleetgym_env_data_quality.planting import plant_meaning
from fleetgym_graders.quality import QualityTruth

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["DataQualityEnv"]


class DataQualityEnv(ToolEnv):
    """Something is wrong with the data: find it, watch it, write down what to do."""

    toolsets: ClassVar[tuple[str, ...]] = ("fleetgym.toolserver.warehouse",)
    sources: ClassVar[tuple[str, ...]] = ("fleetgym_warehouse",)
    surfaces: ClassVar[frozenset[str]] = frozenset({"document"})

    def generate(self, seed: int, directory: Path) -> tuple[str, Mapping[str, Any]]:
        """Write the tables of one instance, their twins, and tables in which nothing is wrong."""
        prompt, truth = generate(self.scenario, seed, directory)
        return prompt, truth.to_json()

    def decode_truth(self, truth: Mapping[str, Any]) -> QualityTruth:
        """Return the truth that the grader takes."""
        return QualityTruth.from_json(truth)

    def plant(self, directory: Path, surface: str, text: str, seed: int) -> None:
        """Put ``text`` behind the meaning of columns in the data dictionary."""
        del surface, seed
        plant_meaning(directory, text)
