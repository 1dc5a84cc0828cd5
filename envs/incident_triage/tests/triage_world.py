"""Playing episodes of IncidentTriage-v1 in tests, by the expert and by short cuts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from fleetgym.contracts.tools import SUBMIT, ToolCall, ToolResult
from fleetgym.policy import play
from fleetgym_env_incident_triage.expert import TriageExpert, chain, read_queue, verdicts

if TYPE_CHECKING:
    from fleetgym.contracts.policy import Plan
    from fleetgym.contracts.scoring import Score
    from fleetgym.env import Instance
    from fleetgym.env.instances import InstanceCache
    from fleetgym_env_incident_triage.env import IncidentTriageEnv
    from fleetgym_env_incident_triage.expert.verdicts import Decided

__all__ = ["Believer", "Desk", "Played", "action", "answer"]

Judgement: TypeAlias = Callable[["Decided"], str]


@dataclass(frozen=True, slots=True)
class Played:
    """What came of an episode."""

    calls: Sequence[ToolCall]
    score: Score
    instance: Instance


@dataclass(frozen=True, slots=True)
class Believer:
    """Works as the expert does, looks everything up, and gives every alert the same reason."""

    reason: str

    def plan(self, prompt: str) -> Plan:
        """Read all there is, believe what one believes, follow it, and report it."""
        del prompt
        alerts = yield from read_queue()
        company = yield from verdicts.company_of()
        decided = yield from verdicts.decide(alerts, company)
        decided = [replace(d, reason=self.reason) for d in decided]
        stages = yield from chain.follow(decided, company)
        yield ToolCall(SUBMIT, {"answer": answer(decided, stages)})


def answer(decided: Sequence[Decided], stages: Sequence[chain.Found]) -> str:
    """Return a report."""
    return json.dumps(
        {
            "verdicts": [
                {"alert_id": d.alert["id"], "verdict": d.verdict, "reason": d.reason}
                for d in decided
            ],
            "incident": {
                "assets": sorted({d.asset for d in decided} | {s.asset for s in stages} - {""}),
                "accounts": sorted({d.account for d in decided} | {s.account for s in stages}),
                "stages": [stage.to_json() for stage in stages][:40],
            },
        }
    )


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

    def let(self, policy: TriageExpert | Believer, scenario: str, seed: int) -> Played:
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
