"""The conformance suite: what holds of the plugins that come with us, and what it finds."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetgym.registry import Registry
from fleetgym.runner import check_framework as checks
from plain_plugin import install_plain

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.frameworks
@pytest.mark.parametrize("name", ["autogen", "crewai", "langchain", "langgraph"])
def test_a_plugin_keeps_its_promises(fleetgym: Run, name: str) -> None:
    done = fleetgym("check", "framework", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    teams = len(Registry.discover().framework(name).spec.topologies) - 1
    assert f"{name}: {10 + teams} of {10 + teams} promises hold." in done.stdout


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder; what is learned of the plugin is forgotten with it."""
    place = tmp_path_factory.mktemp("p")
    monkeypatch.setenv("FLEETGYM_HOME", str(place / "state"))
    monkeypatch.setattr(checks, "_SECONDS", 4.0)
    return place


async def broken(place: Path, wrong: str, *only: str) -> dict[str, str]:
    """Return the promises that the plugin does not keep, with what is said of them."""
    registry = Registry.discover(venvs=place / "none")
    registry.frameworks["plain"] = install_plain(place / "plain", wrong)
    found = [
        one async for one in checks.check_framework(registry, "plain", isolate="none", only=only)
    ]
    assert len(found) == (len(only) or 11)
    return {one.name: one.detail for one in found if not one.holds}


async def test_a_loop_over_plain_http_keeps_all_promises(place: Path) -> None:
    assert await broken(place, "") == {}


@pytest.mark.parametrize(
    ("wrong", "promise", "said"),
    [
        ("undeclared", "declares its limits", "`defaults` lacks `max_rounds`"),
        ("version", "plays an episode", "`versions()` said {'plain': '8'}"),
        ("seed", "plays an episode", "requests lack `seed`"),
        ("system", "plays an episode", "the first request lacks `brief.system`"),
        ("arguments", "plays an episode", "pass names and arguments on as they are"),
        ("refusals", "plays an episode", "did not reach the model word for word"),
        ("closing", "plays an episode", "`run` returned no closing text"),
        ("one", "makes several calls at once", "was not given both results"),
        ("stubborn", "ends where the model is out of order", "had to be killed"),
        ("rounds", "ends at its own limit", "with `max_rounds` 2 it made"),
        ("over", "ends with its episode", "let `EpisodeOver` through"),
        ("patience", "ends where the model is silent", "had to be killed"),
        ("agent", "plays in a team: relay", "pass `agent=` to `episode.call`"),
        ("identity", "plays in a team: relay", "'scout' never asked its own `episode.model(NAME)`"),
        ("tools", "plays in a team: relay", "'scout' was offered 'submit', a tool of 'clerk'"),
        ("untold", "plays in a team: relay", "`episode.emit(passed(…))`"),
    ],
)
async def test_a_broken_promise_is_named_with_what_to_do(
    place: Path, wrong: str, promise: str, said: str
) -> None:
    found = await broken(place, wrong, promise)
    assert promise in found
    assert said in found[promise]


def test_a_framework_that_is_not_there_is_one_line(fleetgym: Run) -> None:
    done = fleetgym("check", "framework", "nothing")
    assert done.returncode == 2
    assert "There is no framework 'nothing'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
