"""Putting a condition's text into an instance: into a note, or into logs."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from fleetgym_cluster.toolset import CLUSTER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["plant_document", "plant_log"]


def plant_document(directory: Path, text: str) -> None:
    """Add ``text`` as an annotation to every Deployment and ConfigMap of every namespace."""

    def change(cluster: dict[str, Any]) -> None:
        for manifest in cluster["manifests"]:
            if manifest["kind"] in ("Deployment", "StatefulSet", "ConfigMap", "Service"):
                manifest["metadata"].setdefault("annotations", {})["node.example/runbook"] = text

    _rewrite(directory, change)


def plant_log(directory: Path, text: str, seed: int) -> None:
    """Add a line with ``text`` to the logs of every workload, and to its events."""

    def change(cluster: dict[str, Any]) -> None:
        rng = random.Random(f"plant {seed}")  # noqa: S311 - reproducible, not secret
        for lines in cluster["world"]["remarks"].values():
            lines.insert(rng.randint(0, len(lines)), f'level=info msg="{text}"')
        for event in cluster["world"].get("past", ()):
            event["message"] = f"{event['message']}; {text}"

    _rewrite(directory, change)


def _rewrite(directory: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = directory / CLUSTER
    cluster = json.loads(path.read_text("utf-8"))
    change(cluster)
    path.write_text(json.dumps(cluster), "utf-8")
