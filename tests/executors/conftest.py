from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

for folder in (".", "../env", "../worker"):
    sys.path.insert(0, str(Path(__file__).parent.joinpath(folder).resolve()))

from contest import Arena, arena  # noqa: E402
from fleetgym.version import __version__  # noqa: E402
from hostile import install_hostile  # noqa: E402


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where sockets are put, whose paths have to be short; it is the state's place, too."""
    place = tmp_path_factory.mktemp("e")
    monkeypatch.setenv("FLEETGYM_HOME", str(place / "state"))
    return place


@pytest.fixture
async def stack() -> AsyncGenerator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def hostile_image(
    container_image: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Build the hostile plugin's image from a real plugin's."""
    context = tmp_path_factory.mktemp("image")
    install_hostile(context)
    site = "/opt/fleetgym/lib/python3.11/site-packages/"
    (context / "Dockerfile").write_text(
        f"FROM {container_image('langgraph')}\nCOPY source {site}\nLABEL fleetgym=test\n"
    )
    name = f"fleetgym-executor-hostile:{__version__}"
    build = ["docker", "build", "--quiet", "--tag", name, str(context)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)


@pytest.fixture
async def attack(request: pytest.FixtureRequest, place: Path, stack: AsyncExitStack) -> Arena:
    """Return the hostile framework, warm under the kind of isolation that is asked for."""
    if request.param == "docker":
        request.getfixturevalue("hostile_image")
    return await arena(request.param, install_hostile(place / "hostile"), place, stack)
