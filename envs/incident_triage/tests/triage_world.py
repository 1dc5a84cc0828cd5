"""Playing episodes of IncidentTriage-v1 in tests, by the expert and by short cuts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.policy import play
from fleetgym_env_incident_triage.expert import TriageExpert

if TYPE_CHECKING:
    from fleetgym.contracts.policy import Adversary, Plan, ReferencePolicy
    from fleetgym.contracts.scoring import Score
    from fleetgym.env import Instance
    from fleetgym.env.instances import InstanceCache
    from fleetgym_env_incident_triage.env import IncidentTriageEnv

__all__ = ["Desk", "Played", "action"]


@dataclass(frozen=True, slots=True)
class Played:
    """What came of an episode."""

    calls: Sequence[ToolCall]
    score: Score
    instance: Instance


@dataclass(frozen=True, slots=True)
class Cheat:
    """Follows a shipped adversary."""

    adversary: Adversary
    env: IncidentTriageEnv

    def plan(self, prompt: str) -> Plan:
        """Return the plan for the episode that has begun."""
        del prompt
        return self.adversary.plan(self.env.brief, self.env.scenario.budget, 0)


@dataclass(slots=True)
class Desk:
    """Plays episodes; those of the expert once for each scenario and seed."""

    envs: Mapping[str, IncidentTriageEnv]
    instances: InstanceCache
    played: dict[tuple[str, int], Played] = field(default_factory=dict[tuple[str, int], Played])

    def play(self, scenario: str, seed: int) -> Played:
        """Return the expert's episode."""
        if (scenario, seed) not in self.played:
            self.played[scenario, seed] = self.let(TriageExpert(), scenario, seed)
        return self.played[scenario, seed]

    def cheat(self, adversary: Adversary, scenario: str, seed: int) -> Played:
        """Return the episode of an adversary."""
        return self.let(Cheat(adversary, self.envs[scenario]), scenario, seed)

    def let(self, policy: ReferencePolicy, scenario: str, seed: int) -> Played:
        """Return the episode of a policy."""
        env = self.envs[scenario]
        env.reset(seed=seed)
        calls: list[ToolCall] = []

        def call(asked: ToolCall) -> ToolResult:
            calls.append(asked)
            observation = env.step(action(asked))[0]
            return ToolResult(observation["content"], is_error=bool(observation["is_error"]))

        play(policy, env.brief.prompt, call, tools=env.tools)
        return Played(calls, env.score, self.instances.get(env, seed))

    def repeat(self, scenario: str, origin: int, seed: int) -> Score:
        """Make the calls of the expert's episode on ``origin`` again on ``seed``."""
        calls = self.play(scenario, origin).calls
        env = self.envs[scenario]
        env.reset(seed=seed)
        for call in calls:
            env.step(action(call))
        return env.score


def action(call: ToolCall) -> dict[str, Any]:
    """Return a call as an action."""
    return {"name": call.name, "arguments": dict(call.arguments)}
