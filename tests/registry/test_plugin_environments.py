from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from uv import find_uv_bin

from fleetgym.contracts.errors import OperatorError, SpecError, UnknownName
from fleetgym.registry import Registry
from fleetgym.registry.plugin_environments import Added, add, remove

PYPROJECT = """
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "fleetgym-plugin-dummy"
version = "3"
dependencies = ["fleetgym"]

[project.entry-points.fleetgym]
dummy = "fleetgym_plugin_dummy"

[tool.hatch.build.targets.wheel]
packages = ["src/fleetgym_plugin_dummy"]
"""

PLUGIN = """
from fleetgym.contracts.specs import FrameworkSpec
from fleetgym.hookspecs import hookimpl

@hookimpl
def register_frameworks(register):
    register(FrameworkSpec(
        name="dummy", entry_point="fleetgym_plugin_dummy:Dummy", distributions=("pluggy",),
        topologies=("single",), summary="SUMMARY",
    ))

class Dummy:
    name = "dummy"
    topologies = ("single",)
    defaults = {"limit": 3}

    def warm(self):
        import pluggy
"""

LOCKED = (
    *("annotated-types", "anyio", "certifi", "h11", "httpcore", "httpx", "idna", "pluggy"),
    *("pydantic", "pydantic-core", "typing-extensions", "typing-inspection"),
)


# They build with uv, from the cache that making our own environments leaves.
pytestmark = pytest.mark.frameworks


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLEETGYM_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """Return a plugin's folder, locked to what one of ours is locked to."""
    folder = tmp_path / "dummy"
    source = folder / "src" / "fleetgym_plugin_dummy"
    source.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (source / "__init__.py").write_text(PLUGIN)
    lock = Path(__file__).parents[2] / "plugins" / "langgraph" / "requirements.txt"
    blocks = re.split(r"\n(?=\S)", lock.read_text())
    kept = [block for block in blocks if block.partition("==")[0] in LOCKED]
    (folder / "requirements.txt").write_text("\n".join(kept) + "\n")
    return folder


def touch(file: Path) -> None:
    file.write_text(f"{file.read_text()}# touched\n")


def test_a_plugin_is_added_once(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = add(plugin)
    monkeypatch.setattr(subprocess, "run", None)  # nothing may be started any more
    assert [first.changed, add(plugin).changed] == [True, False]


def test_an_added_plugin_is_found_with_its_versions_and_defaults(plugin: Path, state: Path) -> None:
    added = add(plugin)
    found = Registry.discover(points=()).framework("dummy")
    assert added == Added("dummy", found.versions["pluggy"], changed=True)
    assert found.defaults == {"limit": 3}
    assert found.python == state / "venvs" / "dummy" / "bin" / "python"
    assert found.spec.summary == "SUMMARY"


def test_an_environment_holds_what_is_locked_and_no_more(plugin: Path, state: Path) -> None:
    add(plugin)
    listed = subprocess.run(
        [
            find_uv_bin(),
            "pip",
            "list",
            "--python",
            str(state / "venvs" / "dummy" / "bin" / "python"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()[2:]
    names = {line.split()[0] for line in listed}
    assert names == {*LOCKED, "fleetgym", "fleetgym-plugin-dummy"}


def test_a_changed_source_is_asked_again(plugin: Path) -> None:
    add(plugin)
    source = plugin / "src" / "fleetgym_plugin_dummy" / "__init__.py"
    source.write_text(PLUGIN.replace("SUMMARY", "another"))
    assert add(plugin).changed
    assert Registry.discover(points=()).framework("dummy").spec.summary == "another"


def test_changed_requirements_make_a_new_environment(plugin: Path, state: Path) -> None:
    add(plugin)
    (state / "venvs" / "dummy" / "old").touch()
    touch(plugin / "requirements.txt")
    assert add(plugin).changed
    assert not (state / "venvs" / "dummy" / "old").exists()


def test_a_broken_plugin_is_told_and_leaves_the_one_before(plugin: Path, state: Path) -> None:
    add(plugin)
    source = plugin / "src" / "fleetgym_plugin_dummy" / "__init__.py"
    source.write_text("import no_such_module")
    touch(plugin / "requirements.txt")
    with pytest.raises(SpecError, match=r"(?s)'dummy' in .* is broken:.*no_such_module"):
        add(plugin)
    assert [path.name for path in (state / "venvs").iterdir() if path.is_dir()] == ["dummy"]
    assert Registry.discover(points=()).framework("dummy").spec.summary == "SUMMARY"


def test_a_requirement_that_cannot_be_met_is_told(
    plugin: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    hash_ = "0" * 64
    (plugin / "requirements.txt").write_text(f"pluggy==0.0.999 --hash=sha256:{hash_}\n")
    with pytest.raises(OperatorError, match=r"(?s)plugin 'dummy' could not be made.*pluggy"):
        add(plugin)
    assert not (state / "venvs" / "dummy").exists()


def test_processes_that_add_the_same_plugin_wait_for_each_other(plugin: Path) -> None:
    script = (
        "import sys; from pathlib import Path; "
        "from fleetgym.registry.plugin_environments import add; "
        "print(add(Path(sys.argv[1])).changed)"
    )

    def process(_: int) -> str:
        command = [sys.executable, "-c", script, str(plugin)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(process, range(2))) == ["False", "True"]


def test_a_half_made_environment_is_made_again(plugin: Path, state: Path) -> None:
    add(plugin)
    (state / "venvs" / "dummy" / "fleetgym-plugin.json").write_text("{")
    left = state / "venvs" / ".making-dummy"
    left.mkdir()
    assert add(plugin).changed
    assert not left.exists()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param("pyproject.toml", "is not a plugin's folder", id="no-pyproject"),
        pytest.param("requirements.txt", "has no requirements.txt", id="no-lock"),
    ],
)
def test_a_folder_that_is_no_plugin_is_told(plugin: Path, spoil: str, message: str) -> None:
    (plugin / spoil).unlink()
    with pytest.raises(SpecError, match=message):
        add(plugin)


def test_the_distribution_has_to_be_named_as_a_plugin(plugin: Path) -> None:
    text = PYPROJECT.replace("fleetgym-plugin-dummy", "dummy")
    (plugin / "pyproject.toml").write_text(text)
    with pytest.raises(SpecError, match="'fleetgym-plugin-NAME' in lower case, not 'dummy'"):
        add(plugin)


def test_a_removed_plugin_is_gone(plugin: Path) -> None:
    add(plugin)
    remove("dummy")
    assert Registry.discover(points=()).frameworks == {}


def test_the_nearest_name_is_suggested_when_there_is_nothing_to_remove(plugin: Path) -> None:
    add(plugin)
    with pytest.raises(UnknownName, match="Did you mean 'dummy'"):
        remove("dumy")
