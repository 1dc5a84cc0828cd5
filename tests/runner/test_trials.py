"""Agents that play without a framework, and what becomes of one that is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fleetgym import environments
from fleetgym.contracts.errors import SandboxError, SpecError
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.env import ToolEnv
from fleetgym.registry import Registry
from fleetgym.runner.trials import hold
from fleetgym.sandboxes import provider


@pytest.fixture
def env() -> Iterator[ToolEnv]:
    sandboxes = provider("none", max_idle=0)
    env = environments.make(Registry.discover(), "desk/quiet-day", sandboxes=sandboxes)
    yield env
    env.close()
    sandboxes.close()


def raising(error: Exception) -> Callable[[ToolEnv, Callable[[ToolCall], ToolResult]], None]:
    def act(_env: ToolEnv, call: Callable[[ToolCall], ToolResult]) -> None:
        call(ToolCall("search_tickets", {}))
        raise error

    return act


def test_an_agent_that_is_broken_is_named_with_its_episode(env: ToolEnv) -> None:
    told = r"desk/quiet-day, seed 3: .* raised KeyError\('reports'\) after 1 calls"
    with pytest.raises(SpecError, match=told):
        hold(env, 3, raising(KeyError("reports")))


def test_a_sandbox_that_failed_is_no_fault_of_the_agent(env: ToolEnv) -> None:
    with pytest.raises(SandboxError, match="gone"):
        hold(env, 3, raising(SandboxError("gone")))
