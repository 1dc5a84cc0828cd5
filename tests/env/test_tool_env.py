import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gymnasium.utils.env_checker import check_env

from fleetgym.contracts.errors import EpisodeOver, SandboxError, SpecError, UnknownName
from fleetgym_env_tiny.env import TinyEnv
from fleetgym_env_tiny.scenarios import SCENARIO
from tiny import TinyProvider, tiny_env


def look(place: str = "here") -> dict[str, Any]:
    return {"name": "look", "arguments": {"place": place}}


def submit(number: int) -> dict[str, Any]:
    return {"name": "submit", "arguments": {"answer": json.dumps({"number": number})}}


def test_gymnasiums_own_checker_passes(tmp_path: Path) -> None:
    check_env(tiny_env(tmp_path), skip_render_check=True)


def test_an_episode_earns_step_by_step_what_its_score_says(tmp_path: Path) -> None:
    env = tiny_env(tmp_path)
    first, _ = env.reset(seed=3)

    seen, reward, over, cut, info = env.step(look())
    assert (first["content"], seen["content"], reward, over, cut) == (
        "Find number 3.",
        "21",
        0.5,
        False,
        False,
    )
    assert info["moved"] == {"looked": 0.5 * 2}

    _, reward, over, cut, info = env.step(submit(21))
    assert (reward, over, cut, info["score"]) == (0.5, True, False, 1.0)
    assert env.submitted


@pytest.mark.parametrize(
    ("action", "message"),
    [
        pytest.param(
            {"name": "lok", "arguments": {}},
            "There is no tool 'lok'. Did you mean 'look'?",
            id="unknown-tool",
        ),
        pytest.param(
            {"name": "look", "arguments": {}},
            "look: wrong arguments: 'place' is a required property. "
            "Expected: place: string, depth: integer (optional).",
            id="missing-argument",
        ),
        pytest.param(
            {"name": "look", "arguments": {"place": "here", "depth": 9}},
            "look: wrong arguments at depth: 9 is greater than the maximum of 3. "
            "Expected: place: string, depth: integer (optional).",
            id="out-of-range",
        ),
        pytest.param(
            {"name": "look", "arguments": "place"},
            "look: wrong arguments: 'place' is not of type 'object'. "
            "Expected: place: string, depth: integer (optional).",
            id="no-object",
        ),
        pytest.param(
            {"name": "submit", "arguments": {"answer": "{"}},
            "The answer is not JSON.",
            id="malformed-artifact",
        ),
        pytest.param(
            look("nowhere"), "There is nothing there; look at 'here'.", id="refused-by-the-tool"
        ),
        pytest.param({}, "There is no tool ''. Tools: look, submit.", id="empty-action"),
    ],
)
def test_a_wrong_call_is_answered_costs_a_step_and_earns_nothing(
    tmp_path: Path, action: dict[str, Any], message: str
) -> None:
    env = tiny_env(tmp_path)
    env.reset(seed=0)

    seen, reward, over, _, _ = env.step(action)

    assert seen["content"] == f"Error: {message}"
    assert (seen["is_error"], seen["step"], reward, over) == (1, 1, 0.0, False)


def test_an_episode_is_cut_off_when_its_steps_are_spent(tmp_path: Path) -> None:
    env = tiny_env(tmp_path)
    env.reset(seed=0)

    cuts = [env.step(look())[3] for _ in range(SCENARIO.budget.steps)]

    assert cuts == [False, False, False, True]
    with pytest.raises(EpisodeOver, match="Call reset"):
        env.step(look())


def test_a_sandbox_that_fails_is_no_result(tmp_path: Path) -> None:
    env = tiny_env(tmp_path)
    env.reset(seed=0)

    with pytest.raises(SandboxError):
        env.step(look("broken"))


def test_equal_seeds_and_actions_give_equal_episodes_and_other_seeds_others(tmp_path: Path) -> None:
    def episode(seed: int) -> str:
        env = tiny_env(tmp_path)
        return json.dumps([env.reset(seed=seed), env.step(look()), env.step(submit(21))])

    assert episode(3) == episode(3)
    assert episode(3) != episode(4)


def test_sampled_actions_lie_in_the_action_space(tmp_path: Path) -> None:
    space = tiny_env(tmp_path).action_space
    space.seed(0)

    samples = [space.sample() for _ in range(50)]

    assert all(space.contains(sample) for sample in samples)
    assert {sample["name"] for sample in samples} == {"look", "submit"}


def test_an_episode_gives_its_sandbox_back(tmp_path: Path) -> None:
    provider = TinyProvider()
    env = tiny_env(tmp_path, provider)

    env.reset(seed=0)
    env.reset(seed=1)
    env.close()

    assert [sandbox.closed for sandbox in provider.opened] == [True, True]


def test_what_the_model_said_stands_with_the_step_it_led_to(tmp_path: Path) -> None:
    env = tiny_env(tmp_path)
    env.reset(seed=0)

    env.hear("I look")
    env.hear("here.")
    env.step(look())
    env.step(look())

    assert [step.said for step in env.trajectory] == ["I look\nhere.", ""]


def test_a_scenario_that_names_an_unknown_tool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'look'"):
        tiny_env(tmp_path, scenario=replace(SCENARIO, tools=("looks", "submit")))


def test_reset_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="takes no reset options"):
        tiny_env(tmp_path).reset(seed=0, options={"level": 3})


def test_an_instance_is_generated_once_and_the_oldest_is_forgotten(tmp_path: Path) -> None:
    TinyEnv.generated.clear()
    env = tiny_env(tmp_path, capacity=2)

    for seed in (1, 1, 2, 1, 3, 1, 2):
        env.reset(seed=seed)

    assert TinyEnv.generated == [1, 2, 3, 2]


def test_a_changed_package_that_makes_instances_makes_them_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("old", "new"):
        package = tmp_path / version / f"estates_{version}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"VERSION = {version!r}")
        monkeypatch.setattr(sys, "path", [*sys.path, str(package.parent)])
    TinyEnv.generated.clear()
    env = tiny_env(tmp_path / "instances")

    for sources in ((), ("estates_old",), ("estates_old",), ("estates_new",)):
        monkeypatch.setattr(TinyEnv, "sources", sources)
        env.reset(seed=1)

    assert TinyEnv.generated == [1, 1, 1]


def test_the_sandbox_is_not_shown_the_ground_truth(tmp_path: Path) -> None:
    provider = TinyProvider()
    tiny_env(tmp_path, provider).reset(seed=5)

    assert [path.name for path in provider.opened[0].data.rglob("*")] == ["number"]
