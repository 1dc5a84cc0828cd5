from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fleetgym_env_incident_triage import expert
from fleetgym_env_incident_triage.acts.rules import RULES
from fleetgym_env_incident_triage.expert import craft
from fleetgym_env_incident_triage.expert.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = sorted(Path(expert.__file__).parent.glob("*.py"))
ALLOWED = ("fleetgym.contracts", "fleetgym_env_incident_triage.expert")
STANDARD = {"__future__", "collections", "dataclasses", "datetime", "json", "re", "typing"}
DYNAMIC = {"__import__", "eval", "exec", "import_module", "open"}


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_expert_knows_nothing_of_how_instances_are_made(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    foreign = [n for n in _imported(tree) if not n.startswith(ALLOWED)]
    assert [n for n in foreign if n.partition(".")[0] not in STANDARD] == []
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {getattr(f, "id", None) or getattr(f, "attr", None) for f in called}
    assert names.isdisjoint(DYNAMIC)


def test_the_expert_reads_rows_of_every_rule() -> None:
    assert set(SOURCES) == set(RULES)
    assert {n: s.activity for n, s in SOURCES.items()} == {n: r.activity for n, r in RULES.items()}


def test_text_survives_as_a_literal_of_kql() -> None:
    assert craft.kql_text('a "b" \\ c') == '"a \\"b\\" \\\\ c"'
    assert craft.kql_list(["y", "x", "y"]) == '("x", "y")'


def test_a_window_is_a_second_wider_on_both_sides() -> None:
    assert craft.within("Time", "2026-03-02T10:00:00Z", "2026-03-02T10:00:30Z") == (
        "Time between (datetime(2026-03-02T09:59:59Z) .. datetime(2026-03-02T10:00:31Z))"
    )
