from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fleetgym_env_cti_realm import expert
from fleetgym_env_cti_realm.expert import craft
from fleetgym_env_cti_realm.scenarios import scenarios

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetgym.contracts.scenario import Scenario

SOURCES = sorted(Path(expert.__file__).parent.glob("*.py"))

OWN = "fleetgym_env_cti_realm.expert"
ALLOWED = ("fleetgym.contracts", OWN)
STANDARD = {
    "__future__", "base64", "collections", "dataclasses", "datetime", "importlib", "itertools",
    "json", "re", "typing", "uuid", "yaml",
}  # fmt: skip


def imported(source: str) -> Iterator[str]:
    """Yield every module that ``source`` imports, whether for types alone or not."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they lead"
            yield from (
                f"{node.module}.{alias.name}"
                if node.module in {"fleetgym", "fleetgym_env_cti_realm"}
                else str(node.module)
                for alias in node.names
            )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_expert_imports_nothing_that_knows_an_instance(path: Path) -> None:
    foreign = {
        name
        for name in imported(path.read_text("utf-8"))
        if not name.startswith(ALLOWED) and name.partition(".")[0] not in STANDARD
    }
    assert foreign == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_expert_imports_by_name_in_its_own_package_alone(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if _dynamic(node)]
    allowed = 1 if path.name == "__init__.py" else 0
    assert len(calls) == allowed


def _dynamic(node: ast.AST) -> bool:
    names = {"__import__", "eval", "exec", "import_module", "open"}
    return isinstance(node, ast.Call) and (
        getattr(node.func, "id", None) in names or getattr(node.func, "attr", None) in names
    )


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.id)
def test_the_objective_is_found_however_the_prompt_is_wrapped(scenario: Scenario) -> None:
    wrapped = f"You are …\n\nCurrent task:\n{scenario.prompt}\n\nBegin!"
    objective = scenario.prompt.removeprefix("DETECTION OBJECTIVE:\n")
    assert craft.objective(wrapped) == " ".join(objective.split())


def test_text_survives_as_a_literal_of_kql() -> None:
    assert craft.kql_text('a "b" \\ c') == '"a \\"b\\" \\\\ c"'
    assert craft.kql_list(["x", "y"]) == '("x", "y")'


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.id)
def test_without_reports_the_objective_names_one_hunt(scenario: Scenario) -> None:
    objective = craft.objective(scenario.prompt)
    found = [name for name, words in expert.HUNTS.items() if words in objective]
    assert found == [scenario.id.removeprefix("cti/").replace("-", "_")]
    assert not [w for w in expert.HUNTS.values() if w in craft.objective(scenario.vague_prompt)]
