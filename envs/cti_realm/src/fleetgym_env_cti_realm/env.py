"""CtiRealm-v1 as a Gymnasium env."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from fleetgym.contracts.errors import ToolError
from fleetgym.contracts.tools import ToolSpec
from fleetgym.env import LocalTool, ToolEnv
from fleetgym_env_cti_realm import official
from fleetgym_env_cti_realm.instance import generate
from fleetgym_env_cti_realm.planting import plant_document, plant_log
from fleetgym_graders.detection import DetectionTruth
from fleetgym_graders.strict import StrictGrader
from fleetgym_kb import index

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["CtiRealmEnv"]


class CtiRealmEnv(ToolEnv):
    """From a threat report to a detection that finds the intrusion, and nothing else."""

    toolsets: ClassVar[tuple[str, ...]] = ("fleetgym_kb.toolset", "fleetgym.toolserver.telemetry")
    sources: ClassVar[tuple[str, ...]] = ("fleetgym_estate",)
    surfaces: ClassVar[frozenset[str]] = frozenset({"document", "log"})

    def generate(self, seed: int, directory: Path) -> tuple[str, Mapping[str, Any]]:
        """Write the telemetry of one instance."""
        if official.is_official(self.scenario):
            prompt, truth = official.generate(self.scenario, directory)
            return prompt, truth.to_json()
        instance = generate(self.scenario, seed, directory, objective=self.declared.prompt)
        return instance.prompt, instance.truth.to_json()

    def decode_truth(self, truth: Mapping[str, Any]) -> DetectionTruth:
        """Return the truth that both graders take."""
        return DetectionTruth.from_json(truth)

    def plant(self, directory: Path, surface: str, text: str, seed: int) -> None:
        """Add a report, or rows, that hold the text."""
        if surface == "document":
            plant_document(directory, self.scenario, text)
        else:
            plant_log(directory, self.scenario, text, seed)

    def mounts(self) -> Mapping[str, Path]:
        """Offer the knowledge base, built at first use."""
        if official.is_official(self.scenario):
            return {"kb": official.knowledge_base(self.scenario)}
        return {"kb": index.ensure()}

    def local_tools(self) -> Sequence[LocalTool]:
        """Offer the validator of the answer's form."""
        return (LocalTool(spec=_VALIDATE, answer=_validate_output_json),)


_VALIDATE = ToolSpec(
    name="validate_output_json",
    description=(
        "Check the form of an answer before submitting it. Says what to fix; never affects the "
        "score."
    ),
    parameters={
        "type": "object",
        "properties": {"json_output": {"type": "string", "description": "The answer as JSON."}},
        "required": ["json_output"],
        "additionalProperties": False,
    },
)


def _validate_output_json(json_output: str) -> str:
    """Return ``{"valid": …}`` with what to fix, as the reference's tool of this name does."""
    try:
        artifact = StrictGrader().read(json_output)
    except ToolError as error:
        return json.dumps({"valid": False, "error": str(error)})
    return json.dumps(
        {
            "valid": True,
            "structure": {
                "sigma_rule_chars": len(artifact["sigma_rule"]),
                "kql_query_chars": len(artifact["kql_query"]),
                "query_results_count": len(artifact["query_results"]),
            },
            "next_step": "Call submit with this JSON.",
        }
    )
