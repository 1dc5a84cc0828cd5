from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleetgym.scenarios.versions import version_problems, write_version
from tiny_file import change

if TYPE_CHECKING:
    from pathlib import Path

ONE = "a" * 64
TWO = "b" * 64
NEW = "  - {version: 2, change: More steps.}\n"


def test_a_scenario_that_is_what_its_version_says_has_no_problem(path: Path) -> None:
    assert version_problems(path) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("number.yaml", "steps: 5", "steps: 6", "the file itself does not say what it said"),
        ("number.yaml", "look, submit", "look, peek", "the file itself does not say what it said"),
        ("number.md", "hides", "shows", "prompt: 'number.md' is not what it was in version 1."),
        ("number.json", "integer", "number", "artifact_schema: 'number.json' is not what it was"),
        ("number.yaml", "\nversion: 1", "\nversion: 2", "says nothing of version 2"),
        ("number.yaml", "{version: 1,", "{version: 3,", "its versions must rise"),
    ],
)
def test_a_change_without_its_version_is_told(
    path: Path, file: str, old: str, new: str, told: str
) -> None:
    change(path.parent / file, old, new)

    assert any(told in problem for problem in version_problems(path))
    assert any("`fleetgym check scenario tiny/number --write`" in p for p in version_problems(path))


def test_a_generator_that_draws_otherwise_is_told(path: Path) -> None:
    write_version(path, ONE)

    assert version_problems(path, ONE) == []
    assert version_problems(path) == []
    problems = version_problems(path, TWO)
    assert problems[0].startswith("seed 0 makes another instance than in version 1: its generator")
    assert problems[1].startswith("version: take the change back, or raise it to 2,")


def test_what_a_version_meant_is_never_written_over(path: Path) -> None:
    write_version(path, ONE)
    change(path, "steps: 5", "steps: 6")
    before = path.read_text()

    assert not write_version(path, TWO)
    assert path.read_text() == before


@pytest.mark.parametrize(
    "entry",
    [NEW, "  - version: 2  # why\n    change: More steps.\n"],
    ids=["braces", "lines"],
)
def test_a_new_version_is_written_down_and_holds_then(path: Path, entry: str) -> None:
    write_version(path, ONE)
    change(path.parent / "number.md", "hides", "shows")
    change(path, "\nversion: 1", "\nversion: 2")
    path.write_text(path.read_text() + entry)
    lines = len(path.read_text().splitlines())

    assert [problem[:36] for problem in version_problems(path)] == [
        "changelog: version 2 is not written "
    ]
    assert write_version(path, TWO)
    assert version_problems(path, TWO) == []
    assert not write_version(path, TWO)
    assert len(path.read_text().splitlines()) == lines + (0 if "{" in entry else 2)
    assert ("version: 2  # why\n" in path.read_text()) == ("# why" in entry)


def test_blank_lines_at_the_end_of_a_prompt_need_no_new_version(path: Path) -> None:
    prompt = path.parent / "number.md"
    prompt.write_text(prompt.read_text() + "\n\n")

    (problem,) = version_problems(path)
    assert "Only its layout is another" in problem
    assert write_version(path)
    assert version_problems(path) == []
