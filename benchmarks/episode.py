"""What an episode costs beside its tools: `python benchmarks/episode.py [KIND]`.

For one scenario of each environment: a reset whose instance has to be generated and whose sandbox
has to be started (cold), one that finds both (warm: right after an episode; later: a second after
the last reset, as when a model has to think), and a step without the time its tool took in the
sandbox. KIND is the sandbox: ``local`` by default. Takes about a minute.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgym import environments
from fleetgym.contracts.specs import load
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.env.instances import InstanceCache
from fleetgym.policy.driver import play
from fleetgym.registry import Registry
from fleetgym.sandboxes import provider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.sandbox import Sandbox, SandboxProvider, SandboxSpec
    from fleetgym.env import ToolEnv

SCENARIOS = (
    "cti/linux-cron-persistence", "triage/", "k8s/", "rollout/", "explore/", "quality/", "desk/",
)  # fmt: skip
ROUNDS = 5
PAUSE_S = 1.0


@dataclass
class Timed:
    """A provider that counts the time spent in its sandboxes."""

    inner: SandboxProvider
    inside_s: float = 0.0
    kind: str = ""

    def open(self, spec: SandboxSpec, data: Path) -> Sandbox:
        """Open one that is timed."""
        return _TimedSandbox(self, self.inner.open(spec, data))

    def prepare(self, spec: SandboxSpec) -> None:
        """Start one ahead."""
        self.inner.prepare(spec)

    def provenance(self, spec: SandboxSpec) -> Mapping[str, str]:
        """As the inner one says."""
        return self.inner.provenance(spec)

    def close(self) -> None:
        """End all."""
        self.inner.close()


class _TimedSandbox:
    def __init__(self, provider: Timed, inner: Sandbox) -> None:
        self._provider = provider
        self._inner = inner
        self.kind = inner.kind

    def call(self, call: ToolCall) -> ToolResult:
        began = time.perf_counter()
        try:
            return self._inner.call(call)
        finally:
            self._provider.inside_s += time.perf_counter() - began

    def close(self) -> None:
        self._inner.close()


def measure(registry: Registry, scenario: str, kind: str) -> str:
    """Return one line about a scenario."""
    sandboxes = Timed(provider(kind))
    env = environments.make(registry, scenario, sandboxes=sandboxes)
    expert = load(registry.environment(env.scenario.environment).policy)
    steps: list[float] = []

    def call(asked: ToolCall) -> ToolResult:
        inside, began = sandboxes.inside_s, time.perf_counter()
        observation, *_ = env.step({"name": asked.name, "arguments": dict(asked.arguments)})
        took = time.perf_counter() - began - (sandboxes.inside_s - inside)
        steps.append(took)
        return ToolResult(observation["content"], is_error=bool(observation["is_error"]))

    # With an instance cache that is not empty, nothing would be cold.
    with tempfile.TemporaryDirectory() as fresh:
        env._instances = InstanceCache(Path(fresh))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        cold = [_reset(env, 1000)]
        warm: list[float] = []
        for _ in range(ROUNDS):
            brief = env.brief
            play(expert(), brief.prompt, call, tools={tool.name for tool in brief.tools})
            warm.append(_reset(env, 1000))
        cold += [_reset(env, 2000 + n) for n in range(ROUNDS)]
        later: list[float] = []
        for _ in range(ROUNDS):
            time.sleep(PAUSE_S)
            later.append(_reset(env, 1000))
    env.close()
    sandboxes.close()
    resets_ms = (1e3 * statistics.median(times) for times in (cold[1:], warm, later))
    steps_ms = [1e3 * took for took in steps]
    return f"{scenario:28} first {cold[0]:5.2f} s " + "".join(
        f"  {name} {value:5.{digits}f} ms"
        for name, value, digits in (
            *zip(("cold", "warm", "later"), resets_ms, (0, 1, 1), strict=True),
            ("step", statistics.median(steps_ms), 3),
            ("worst of its steps", max(steps_ms), 1),
        )
    )


def _reset(env: ToolEnv, seed: int) -> float:
    began = time.perf_counter()
    env.reset(seed=seed)
    return time.perf_counter() - began


def main(kind: str = "local") -> None:
    """Print one line an environment."""
    registry = Registry.discover()
    known = registry.scenarios()
    for prefix in SCENARIOS:
        scenario = next(name for name in known if name.startswith(prefix))
        print(measure(registry, scenario, kind))


if __name__ == "__main__":
    main(*sys.argv[1:])
