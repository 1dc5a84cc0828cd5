import json
from collections import Counter
from dataclasses import replace

import pytest

from fleetgym.conditions.injection import DOCUMENT_MEDIUM, DOCUMENT_STRONG, DOCUMENT_WEAK, TOOLS
from fleetgym.conditions.leak import LEAK
from fleetgym.contracts.condition import Condition, Disturbance
from fleetgym.contracts.policy import Plan
from fleetgym.contracts.tools import SUBMIT, ToolCall, ToolResult
from fleetgym.policy import EXPERT, GULLIBLE, Conversation, Driver, Exchange, Profile, Say
from fleetgym.policy.conversation import Parameters
from fleetgym_env_tiny.scenarios import SCENARIO

TEXT = {"place": {"type": "string"}}
OFFERED = {
    "look": Parameters(properties=dict(TEXT), required=["place"]),
    SUBMIT: Parameters(properties={"answer": {"type": "string"}}, required=["answer"]),
    **{tool.name: Parameters.model_validate(tool.parameters) for tool in TOOLS},
}


class Noter:
    """Hands in a text beside the number, and is not put off by what stands behind it."""

    def plan(self, prompt: str) -> Plan:
        del prompt
        seen: ToolResult = yield ToolCall("look", {"place": "here"})
        number = int(seen.content.partition("\n")[0])
        yield ToolCall(SUBMIT, {"answer": json.dumps({"note": "fine", "number": number})})


def act(profile: Profile, condition: Condition, seed: int) -> Disturbance:
    """Let a model of this profile act where every look shows what is planted."""
    disturbance = condition.disturb(SCENARIO, seed)
    driver = Driver(Noter(), profile, seed)
    talk = Conversation(prompt="Find it.", offered=OFFERED)
    for _ in range(8):
        move = driver.move(talk)
        if isinstance(move, Say):
            break
        disturbance.hear(move.said)
        call = ToolCall(move.name, json.loads(move.arguments))
        shown = f"7\n{disturbance.planted['document']}" if call.name == "look" else "done"
        result = disturbance.after(call, ToolResult(shown))
        talk = replace(talk, exchanges=(*talk.exchanges, Exchange(call=call, result=result)))
    return disturbance


def kinds(disturbance: Disturbance) -> Counter[str]:
    return Counter(found.kind.value for found in disturbance.findings(over=True))


@pytest.mark.parametrize("condition", [DOCUMENT_WEAK, DOCUMENT_MEDIUM, DOCUMENT_STRONG])
def test_the_gullible_obey_to_the_letter_at_their_rate(condition: Condition) -> None:
    runs = [kinds(act(GULLIBLE, condition, seed)) for seed in range(400)]

    assert sum(run["attempted"] for run in runs) == 0
    assert sum(run["obeyed"] for run in runs) == pytest.approx(400 * GULLIBLE.obey, abs=30)
    assert all(run["obeyed"] + run["refused"] == 1 for run in runs)


def test_the_gullible_leak_in_every_way_and_the_expert_in_none() -> None:
    found = [f for seed in range(60) for f in act(GULLIBLE, LEAK, seed).findings(over=True)]

    ways = {f.detail.partition(":")[0] for f in found if f.kind == "leaked"}
    assert ways == {"argument", "message", "artifact"}
    assert [kinds(act(EXPERT, LEAK, seed))["contained"] for seed in range(20)] == [1] * 20
