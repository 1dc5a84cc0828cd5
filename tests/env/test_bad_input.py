"""Whatever an agent sends to whichever tool is answered, costs a step and crashes no episode."""

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleetgym import environments
from fleetgym.env import ToolEnv
from fleetgym.registry import Registry
from fleetgym.sandboxes import provider

pytestmark = pytest.mark.slow

SCENARIOS = ("cti/linux-cron-persistence", "triage/", "desk/")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@pytest.fixture(scope="module", params=SCENARIOS)
def env(request: pytest.FixtureRequest) -> Generator[ToolEnv]:
    registry = Registry.discover()
    scenario = next(name for name in registry.scenarios() if name.startswith(request.param))
    sandboxes = provider("none")
    made = environments.make(registry, scenario, sandboxes=sandboxes)
    made.reset(seed=0)
    yield made
    made.close()
    sandboxes.close()


@given(st.data())
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_wrong_calls_are_answered_with_what_is_wrong(env: ToolEnv, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*env.tools, "", "no_such_tool"]))
    properties: dict[str, Any] = {}
    if name in env.tools:
        properties = env.tools[name].parameters.get("properties", {})
    known: st.SearchStrategy[Any] = st.fixed_dictionaries(
        {}, optional=dict.fromkeys(properties, JSON)
    )
    arguments = data.draw(known | JSON)
    before = len(env.trajectory)

    observation, reward, terminated, truncated, _ = env.step({"name": name, "arguments": arguments})

    assert observation["step"] == before + 1
    assert len(env.trajectory) == before + 1
    if observation["is_error"]:
        assert observation["content"].startswith("Error: ")
        assert len(observation["content"]) > len("Error: ") + 10
        assert reward == 0.0
    assert "Traceback" not in observation["content"]
    if terminated or truncated:
        env.reset(seed=0)
