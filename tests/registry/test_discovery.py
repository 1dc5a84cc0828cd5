from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from fleetgym.contracts.errors import OperatorError, SpecError, UnknownName
from fleetgym.registry import Registry

IMPORTS = """
from fleetgym.contracts.specs import EnvSpec, FrameworkSpec, GraderSpec, ModelSpec
from fleetgym.hookspecs import hookimpl
"""

GRADER = """
@hookimpl
def register_graders(register):
    register(GraderSpec(name="NAME", entry_point="nowhere:Grader", summary="one"))
"""

FRAMEWORK = """
@hookimpl
def register_frameworks(register):
    register(FrameworkSpec(
        name="beside", entry_point="PLUGIN:Beside", distributions=("pluggy",),
        topologies=("single",), summary="is installed beside us",
    ))

class Beside:
    defaults = {"limit": 3}
"""

ENVIRONMENT = """
from fleetgym.contracts.scenario import Scenario

@hookimpl
def register_environments(register):
    register(EnvSpec(
        id="test/NAME-v1", entry_point="nowhere:Env", scenarios="PLUGIN:scenarios",
        policy="nowhere:Policy", graders=("a/b",), summary="one",
    ))

def scenarios():
    return [Scenario(
        id="NAME/one", version=1, environment="test/NAME-v1", title="t", platform="none",
        difficulty="easy", prompt="p", tools=("submit",), artifact_schema={"type": "object"},
    )]
"""

Install = Callable[[str, str], EntryPoint]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return what writes a plugin's module and gives its entry point."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    def installed(name: str, source: str) -> EntryPoint:
        module = f"registry_test_{name}"
        (tmp_path / f"{module}.py").write_text(IMPORTS + source.replace("PLUGIN", module))
        monkeypatch.delitem(sys.modules, module, raising=False)
        return EntryPoint(name, module, "fleetgym")

    return installed


def discover(*points: EntryPoint, venvs: Path = Path("/nonexistent")) -> Registry:
    return Registry.discover(points, venvs)


def broken(registry: Registry) -> dict[str, str]:
    return {one.name: one.reason for one in registry.broken}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param("import no_such_module", "No module named 'no_such_module'", id="import"),
        pytest.param("raise ValueError('no luck')", "ValueError('no luck')", id="raises"),
        pytest.param("raise SystemExit(3)", "SystemExit(3)", id="exits"),
        pytest.param(GRADER.replace("NAME", "Not A Name"), "must be 1 to 64", id="nonsense"),
        pytest.param(
            GRADER.replace("graders", "gradrs").replace("NAME", "x"), "register_gradrs", id="typo"
        ),
    ],
)
def test_a_broken_plugin_is_listed_with_its_reason_and_stops_no_one(
    install: Install, source: str, reason: str
) -> None:
    registry = discover(install("bad", source), install("good", GRADER.replace("NAME", "a/b")))
    assert list(registry.graders) == ["a/b"]
    assert list(broken(registry)) == ["bad"]
    assert reason in broken(registry)["bad"]


def test_a_plugin_that_is_gone_is_listed_as_broken() -> None:
    registry = discover(EntryPoint("gone", "registry_test_never_written", "fleetgym"))
    assert "registry_test_never_written" in broken(registry)["gone"]


def test_of_two_plugins_with_one_name_the_second_is_broken_and_offers_nothing(
    install: Install,
) -> None:
    both = GRADER.replace("NAME", "a/b") + ENVIRONMENT.replace("NAME", "Two")
    registry = discover(install("first", GRADER.replace("NAME", "a/b")), install("second", both))
    assert broken(registry) == {"second": "grader 'a/b' is taken by another plugin."}
    assert registry.environments == {}


def test_a_framework_beside_us_runs_on_our_interpreter(install: Install) -> None:
    found = discover(install("beside", FRAMEWORK)).framework("beside")
    assert found.python == Path(sys.executable)
    assert found.defaults == {"limit": 3}
    assert found.version == found.versions["pluggy"]


def test_a_framework_whose_name_a_broken_plugin_has_too_can_be_used(install: Install) -> None:
    one, other = install("beside", FRAMEWORK), install("again", FRAMEWORK)
    registry = discover(one, EntryPoint("beside", other.value, "fleetgym"))
    assert broken(registry) == {"beside": "framework 'beside' is taken by another plugin."}
    assert registry.framework("beside").defaults == {"limit": 3}


def test_asking_for_a_framework_whose_environment_is_broken_tells_why(tmp_path: Path) -> None:
    (tmp_path / "crewai").mkdir()
    with pytest.raises(OperatorError, match=r"'crewai' is broken: its interpreter .* is gone"):
        discover(venvs=tmp_path).framework("crewai")


@pytest.mark.parametrize("manifest", ["", "{", '{"spec": {}}'])
def test_an_environment_without_a_whole_manifest_is_broken_and_told_what_to_do(
    tmp_path: Path, manifest: str
) -> None:
    (tmp_path / "crewai" / "bin").mkdir(parents=True)
    (tmp_path / "crewai" / "bin" / "python").touch()
    (tmp_path / "crewai" / "fleetgym-plugin.json").write_text(manifest)
    reason = broken(discover(venvs=tmp_path))["crewai"]
    assert reason.startswith("its fleetgym-plugin.json cannot be read")
    assert reason.endswith(
        "`fleetgym plugins add` its folder again, or `fleetgym plugins remove crewai`."
    )


def test_the_nearest_name_is_suggested(install: Install) -> None:
    registry = discover(install("good", GRADER.replace("NAME", "cti/strict")))
    with pytest.raises(UnknownName) as caught:
        registry.grader("cti/strikt")
    assert str(caught.value) == "There is no grader 'cti/strikt'. Did you mean 'cti/strict'?"


def test_environments_that_cannot_tell_their_scenarios_stop_no_one(install: Install) -> None:
    bad = ENVIRONMENT.replace("NAME", "Bad").replace("return", "raise ValueError('lost') or")
    registry = discover(install("bad", bad), install("good", ENVIRONMENT.replace("NAME", "Good")))
    assert list(registry.scenarios()) == ["Good/one"]
    why = "test/Bad-v1 cannot tell its scenarios: lost"
    assert broken(registry) == {"test/Bad-v1": why}
    with pytest.raises(SpecError, match=why):
        registry.scenarios("test/Bad-v1")


def test_listing_imports_neither_frameworks_nor_environments() -> None:
    script = (
        "import sys; from fleetgym.registry import Registry; r = Registry.discover(); "
        "assert r.environments, r.broken; "
        "heavy = {'aiohttp', 'autogen_core', 'crewai', 'duckdb', 'gymnasium', 'langchain', "
        "'langgraph', 'numpy', 'openai'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
