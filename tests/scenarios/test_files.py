from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import pytest

from fleetgym.contracts.errors import SpecError
from fleetgym.scenarios.files import load_scenarios
from fleetgym.scenarios.versions import version_problems

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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A scenario that is what its version says."""
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


def test_a_scenario_is_what_its_file_and_those_beside_it_say(path: Path) -> None:
    (scenario,) = load_scenarios(path.parent)

    assert (scenario.id, scenario.version, scenario.source) == ("tiny/number", 1, path)
    assert scenario.prompt == PROMPT.strip()
    assert scenario.tools == ("look", "submit")
    assert scenario.artifact_schema["type"] == "object"
    assert scenario.checkpoints == {"tiny/strict": {"found": 1.0}}
    assert (scenario.budget.steps, scenario.success_at) == (5, 0.8)
    assert version_problems(path) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("number.yaml", "steps: 5", "steps: 6", "not what it was in version 1"),
        ("number.yaml", "look, submit", "look, peek", "not what it was in version 1"),
        ("number.md", "hides", "shows", "prompt.sha256: 'number.md' has "),
        ("number.json", "integer", "number", "artifact_schema.sha256: 'number.json' has "),
        ("number.yaml", "\nversion: 1", "\nversion: 2", "says nothing of version 2"),
        ("number.yaml", "{version: 1,", "{version: 3,", "its versions must rise"),
    ],
)
def test_a_change_without_its_version_is_told(
    path: Path, file: str, old: str, new: str, told: str
) -> None:
    change(path.parent / file, old, new)

    assert any(told in problem for problem in version_problems(path))


def test_another_version_is_told_its_digest_and_holds_with_it(path: Path) -> None:
    change(path, "steps: 5", "steps: 6")
    change(path, "\nversion: 1", "\nversion: 2")
    (problem,) = version_problems(path)
    digest = re.findall(r"[0-9a-f]{64}", problem)[0]
    path.write_text(
        f"{path.read_text()}  - {{version: 2, digest: {digest}, change: More steps.}}\n"
    )

    assert version_problems(path) == []


def test_where_a_file_stands_is_no_part_of_its_scenario(path: Path, tmp_path: Path) -> None:
    (here,) = load_scenarios(path.parent)
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in (path, path.with_suffix(".md"), path.with_suffix(".json")):
        (moved / file.name).write_text(file.read_text())
    (there,) = load_scenarios(moved)

    assert (there, there.digest()) == (here, here.digest())


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("difficulty: easy", "difficulty: tough", "number.yaml:6: difficulty: "),
        ("file: number.md", "file: other.md", "'other.md' cannot be read: No such file"),
        ("steps: 5", "steps: 0", "number.yaml:12: budget.steps: "),
        ("title:", "titel:", "titel: unknown field. Known: id, version,"),
    ],
)
def test_a_malformed_file_is_told_with_its_place(path: Path, old: str, new: str, told: str) -> None:
    change(path, old, new)

    with pytest.raises(SpecError, match=re.escape(told)):
        load_scenarios(path.parent)
