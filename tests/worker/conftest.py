from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

for folder in (Path(__file__).parent, Path(__file__).parents[1] / "env"):
    sys.path.insert(0, str(folder))

from fleetgym.executors.connection import Connection, connect  # noqa: E402
from fleetgym.executors.parent import FrameworkParent  # noqa: E402
from fleetgym.executors.unconfined import Unconfined  # noqa: E402
from fleetgym.registry import RegisteredFramework  # noqa: E402
from toy import install_toy  # noqa: E402
from world import World, world  # noqa: E402


@dataclass
class Warm:
    """A warm process and a connection to it."""

    parent: FrameworkParent
    connection: Connection
    folder: Path


@dataclass
class Started:
    """Starts warm processes, which end with the test."""

    stack: AsyncExitStack
    folder: Path

    async def __call__(self, framework: RegisteredFramework) -> Warm:
        path = self.folder / f"{framework.spec.name}.sock"
        path.unlink(missing_ok=True)
        parent = await FrameworkParent.start(framework, Unconfined(), str(path))
        self.stack.push_async_callback(parent.close)
        connection = await connect(str(path))
        self.stack.push_async_callback(connection.close)
        return Warm(parent, connection, self.folder)


def _always(path: Path) -> Callable[[str], Path]:
    return lambda _: path


@pytest.fixture
async def start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Started]:
    """Return what starts frameworks; nothing learned in one test is known in another."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr("fleetgym.home.cache", _always(cache))
    async with AsyncExitStack() as stack:
        # The path of a unix socket has to be short.
        folder = tmp_path_factory.mktemp("s")
        yield Started(stack, folder)


@pytest.fixture
async def toy(start: Started, tmp_path: Path) -> Warm:
    return await start(install_toy(tmp_path / "toy"))


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[World]:
    async with world(tmp_path) as episode:
        yield episode
