"""What `import fleetgym` does for users of Gymnasium, in either order of the imports."""

import subprocess
import sys

import pytest

PLAY = """\
env = gymnasium.make("test/Tiny-v1", scenario="tiny/number", sandbox="none")
observation, info = env.reset(seed=6)
first = env.step({"name": "look", "arguments": {"place": "here"}})
last = env.step({"name": "submit", "arguments": {"answer": '{"number": 42}'}})
env.close()
print(observation["content"], first[0]["content"], first[1], last[1], last[2], last[4]["score"])
"""


@pytest.mark.parametrize(
    "imports",
    [
        pytest.param("import fleetgym, gymnasium\n", id="fleetgym-first"),
        pytest.param("import gymnasium, fleetgym\n", id="gymnasium-first"),
    ],
)
def test_importing_fleetgym_makes_its_environments_known(imports: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", imports + PLAY],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "Find number 6. 42 0.5 0.5 True 1.0\n", done.stderr


def test_importing_fleetgym_imports_no_gymnasium() -> None:
    code = "import fleetgym, sys; print('gymnasium' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
