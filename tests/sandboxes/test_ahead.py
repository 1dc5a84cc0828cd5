"""Tool servers that are started before an episode wants one."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from fleetgym.contracts.errors import FleetgymError
from fleetgym.contracts.sandbox import SandboxSpec
from fleetgym.contracts.tools import ToolCall
from fleetgym.sandboxes.pool import Pool
from fleetgym.sandboxes.unconfined import Unconfined

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fleetgym.sandboxes.launch import Launch

SPEC = SandboxSpec(toolsets=("probe_toolset",))


class Counting(Unconfined):
    """Knows how many servers it has prepared."""

    started = 0

    def prepare(self, spec: SandboxSpec, jail: Path) -> Launch:
        self.started += 1
        return super().prepare(spec, jail)


@pytest.fixture
def launcher() -> Counting:
    return Counting()


@pytest.fixture
def pool(launcher: Counting, own_home: Path) -> Iterator[Pool]:
    with closing(Pool(launcher)) as pool:
        yield pool


def test_what_was_prepared_is_used_and_nothing_is_prepared_beside_a_warm_one(
    pool: Pool, launcher: Counting, data: Path
) -> None:
    pool.prepare(SPEC)
    pool.prepare(SPEC)
    with ExitStack() as both:
        for _ in range(2):
            sandbox = both.enter_context(closing(pool.open(SPEC, data)))
            assert sandbox.call(ToolCall("echo", {"text": "here"})).content == "here"
    assert launcher.started == 2
    pool.prepare(SPEC)
    pool.open(SPEC, data).close()
    assert launcher.started == 2


def test_a_server_that_cannot_be_prepared_is_told_when_it_is_wanted(pool: Pool, data: Path) -> None:
    broken = SandboxSpec(toolsets=("no_such_toolset",))
    pool.prepare(broken)
    for _ in range(2):
        with pytest.raises(FleetgymError, match="no_such_toolset"):
            pool.open(broken, data)
