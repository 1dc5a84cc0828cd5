"""A scenario in a file, and changing it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from fleetgym.scenarios.files import load_scenarios

if TYPE_CHECKING:
    from pathlib import Path

PROMPT = "Find the number that {start} hides.\n"
SCHEMA = '{"type": "object", "properties": {"number": {"type": "integer"}}}'
GOOD = """\
id: tiny/number
version: 1
environment: test/Tiny-v1
title: Find a number
platform: linux
difficulty: easy
prompt: {file: number.md, sha256: PROMPT}
tools: [look, submit]
artifact_schema: {file: number.json, sha256: SCHEMA}
checkpoints:
  tiny/strict: {found: 1.0}
budget: {steps: 5, model_calls: 9, tokens: 1000, seconds: 10}
changelog:
  - {version: 1, digest: DIGEST, change: First version.}
"""


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write(tmp_path: Path) -> Path:
    """Write a scenario that is what its version says."""
    (tmp_path / "number.md").write_text(PROMPT)
    (tmp_path / "number.json").write_text(SCHEMA)
    path = tmp_path / "number.yaml"
    text = GOOD.replace("PROMPT", sha256(PROMPT)).replace("SCHEMA", sha256(SCHEMA))
    path.write_text(text.replace("DIGEST", "a" * 64))
    (scenario,) = load_scenarios(tmp_path)
    path.write_text(text.replace("DIGEST", scenario.digest()))
    return path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
