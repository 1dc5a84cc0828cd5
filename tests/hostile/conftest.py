"""One lane for each kind of sandbox, in which all hostile agents play."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DISTRIBUTION = Path(__file__).parent / "distribution"
sys.path[:0] = [str(Path(__file__).parent), str(DISTRIBUTION)]

from arena import Arena, LaneProcess, expert_calls  # noqa: E402
from fleetgym.sandboxes import KINDS  # noqa: E402
from fleetgym.version import __version__  # noqa: E402

ISOLATING = [kind for kind in KINDS if kind != "none"]
MARKS = {"docker": [pytest.mark.docker]}


@pytest.fixture(scope="session")
def hostile_image(docker_daemon: str) -> Iterator[str]:
    """Build the image that the environment names, with its tool inside."""
    name = "fleetgym-test-hostile"
    subprocess.run(
        [
            "docker", "--host", docker_daemon, "build", "--quiet", "--tag", name,
            "--build-arg", f"VERSION={__version__}", str(DISTRIBUTION),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FLEETGYM_HOSTILE_IMAGE", name)
        yield name


@pytest.fixture(
    scope="session",
    params=[
        # One worker plays all attacks on a kind: a lane takes seconds to start.
        pytest.param(kind, marks=[pytest.mark.xdist_group(f"hostile-{kind}"), *MARKS.get(kind, [])])
        for kind in ISOLATING
    ],
)
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "docker":
        request.getfixturevalue("hostile_image")
    return str(request.param)


@pytest.fixture(scope="session")
def arena(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    out = tmp_path_factory.mktemp("runs")
    lane = LaneProcess(kind, out)
    first = lane.open()
    calls = expert_calls(first)
    yield Arena(lane, calls, first.record())
    assert lane.close() == 0
