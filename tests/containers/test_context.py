"""What is handed to a daemon when an image is built."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from fleetgym_images.context import ROOT

PREPARE = """
import pathlib, sys
from fleetgym_images import context, engine
python = engine.Python(version="3.11", platform=sys.argv[2])
context.prepare(context.recipes()["langgraph"], python, pathlib.Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clone = tmp_path_factory.mktemp("clone")
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    return clone


def prepared(clone: Path, context: Path) -> set[str]:
    """Return the sources that a build would get, by path."""
    context.mkdir()
    system = f"{platform.machine()}-manylinux_2_36"
    subprocess.run(
        [sys.executable, "-c", PREPARE, context, system],
        env={**os.environ, "PYTHONPATH": str(clone / "containers")},
        check=True,
    )
    assert {path.name for path in context.iterdir()} == {
        "Dockerfile",
        "assemble.py",
        "requirements",
        "sources",
    }
    sources = context / "sources"
    return {path.relative_to(sources).as_posix() for path in sources.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_only_what_git_tracks_gets_into_an_image(clone: Path, tmp_path: Path) -> None:
    before = prepared(clone, tmp_path / "before")
    (clone / "gym/src/fleetgym/credentials.json").write_text("{}")
    (clone / "plugins/langgraph/src/fleetgym_plugin_langgraph/.env").write_text("KEY=1")
    assert prepared(clone, tmp_path / "after") == before


@pytest.mark.slow
def test_what_is_tracked_and_changed_gets_in_as_it_is(clone: Path, tmp_path: Path) -> None:
    (clone / "gym/src/fleetgym/version.py").write_text('__version__ = "7"\n')
    prepared(clone, tmp_path / "context")
    found = tmp_path / "context/sources/fleetgym/version.py"
    assert found.read_text() == '__version__ = "7"\n'
