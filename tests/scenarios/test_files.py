from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from fleetgym.contracts.errors import SpecError
from fleetgym.scenarios.files import load_scenarios
from tiny_file import PROMPT, change, sha256

if TYPE_CHECKING:
    from pathlib import Path


def test_a_scenario_is_what_its_file_and_those_beside_it_say(path: Path) -> None:
    (scenario,) = load_scenarios(path.parent)

    assert (scenario.id, scenario.version, scenario.source) == ("tiny/number", 1, path)
    assert scenario.prompt == PROMPT.strip()
    assert scenario.tools == ("look", "submit")
    assert scenario.artifact_schema["type"] == "object"
    assert scenario.checkpoints == {"tiny/strict": {"found": 1.0}}
    assert (scenario.budget.steps, scenario.success_at) == (5, 0.8)


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
        (
            "difficulty: easy",
            "difficulty: tough",
            "number.yaml:6: difficulty: input should be 'easy', 'medium' or 'hard'.",
        ),
        ("file: number.md", "file: other.md", "'other.md' cannot be read: No such file"),
        ("steps: 5", "steps: 0", "number.yaml:12: budget.steps: "),
        ("title:", "titel:", "titel: unknown field. Did you mean 'title'?"),
        ("steps: 5", "stebs: 5", "budget.stebs: unknown field. Did you mean 'steps'?"),
        ("found: 1.0", "found: 0.9", "number.yaml:11: checkpoints: the weights of 'tiny/strict'"),
        ("look, submit]", "look]\nminimal_tools: [lok]", "no tool 'lok'. Did you mean 'look'?"),
        ("id: tiny/number", "id: tiny/word", "'tiny/word' belongs into word.yaml."),
    ],
)
def test_a_malformed_file_is_told_with_its_place(path: Path, old: str, new: str, told: str) -> None:
    change(path, old, new)

    with pytest.raises(SpecError, match=re.escape(told)):
        load_scenarios(path.parent)


SCOUT = '{"name": "scout", "summary": "Looks", "tools": ["look"]}'
CLERK = '{"name": "clerk", "summary": "Hands in", "tools": ["submit"]}'


def with_team(path: Path, text: str) -> None:
    (path.parent / "team.json").write_text(text)
    change(path, "tools: [look", f"team: {{file: team.json, sha256: {sha256(text)}}}\ntools: [look")


def test_a_team_is_a_part_of_its_scenario(path: Path) -> None:
    (alone,) = load_scenarios(path.parent)
    with_team(path, f"[{SCOUT}, {CLERK}]")
    (scenario,) = load_scenarios(path.parent)
    assert [(role.name, role.tools) for role in scenario.team] == [
        ("scout", ("look",)),
        ("clerk", ("submit",)),
    ]
    assert scenario.digest() != alone.digest()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"[{SCOUT}]", "nobody has submit"),
        (f"[{SCOUT}, {SCOUT}, {CLERK}]", "'scout' is taken"),
        (f"[{SCOUT.replace('scout', 'coordinator')}, {CLERK}]", "'coordinator' is taken"),
        (f"[{SCOUT.replace('look', 'lok')}, {CLERK}]", "no tool 'lok'. Did you mean 'look'?"),
        (f"[{SCOUT}, {CLERK.replace('submit', 'look')}]", "'clerk' and 'scout' both have 'look'"),
        (f"[{SCOUT.replace('scout', 'A scout')}, {CLERK}]", "0.name: String should match"),
        (f"[{SCOUT.replace('Looks', 'Looks.')}, {CLERK}]", "0.summary: String should match"),
        ("{}", "team.json"),
        ("[", "team.json"),
    ],
)
def test_a_malformed_team_is_told(path: Path, text: str, told: str) -> None:
    with_team(path, text)
    with pytest.raises(SpecError, match=re.escape(told)):
        load_scenarios(path.parent)


def test_a_vague_prompt_has_no_placeholder_that_the_prompt_has_not(path: Path) -> None:
    text = "Find what {stat} hides.\n"
    (path.parent / "vague.md").write_text(text)
    reference = f"vague_prompt: {{file: vague.md, sha256: {sha256(text)}}}"
    change(path, "tools: [look", f"{reference}\ntools: [look")

    with pytest.raises(SpecError, match=r"no placeholder 'stat'. Did you mean 'start'\?"):
        load_scenarios(path.parent)


def test_scenarios_come_in_the_order_that_is_asked_for_and_then_by_name(path: Path) -> None:
    for name in ("a", "z"):
        text = path.read_text().replace("id: tiny/number", f"id: tiny/{name}")
        path.with_stem(name).write_text(text)

    assert [s.id for s in load_scenarios(path.parent, order=["z"])] == [
        "tiny/z",
        "tiny/a",
        "tiny/number",
    ]
    with pytest.raises(SpecError, match=r"no scenario file in .* 'nomber'"):
        load_scenarios(path.parent, order=["nomber"])
