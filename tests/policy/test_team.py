"""Members of a team, each with a driver of its own, connected as frameworks connect them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetgym.contracts.policy import ask
from fleetgym.contracts.team import Role
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.env.teams import assembled
from fleetgym.policy import EXPERT, Driver, Exchange, Say, Use
from fleetgym.policy.dialect import read
from fleetgym.policy.findings import read_findings, without_findings, written
from fleetgym.policy.roster import read_roster

if TYPE_CHECKING:
    from fleetgym.contracts.policy import Plan
    from fleetgym.policy import Move

ROLES = (
    Role(name="scout", summary="Looks around", tools=("look",)),
    Role(name="smith", summary="Makes keys", tools=("forge", "submit")),
)
TEAM = assembled(ROLES, "You open doors.", ["look", "forge", "submit"])
assert TEAM is not None
SYSTEM = {one.name: one.system for one in (TEAM.coordinator, *TEAM.members)}
TASK = "TASK: open the door 7"
TEXT = {"type": "string"}


class Locksmith:
    """Looks, forges, looks again, submits: the work goes to and fro."""

    def plan(self, prompt: str) -> Plan:
        door = prompt.partition("open the door ")[2].split(maxsplit=1)[0]
        seen = yield from ask("look", at=door)
        key = yield from ask("forge", shape=json.loads(seen)["lock"])
        fits = yield from ask("look", at=key)
        yield ToolCall("submit", {"answer": fits})


def answer(call: ToolCall) -> str:
    """Return what the task's tools say."""
    match call.name, *call.arguments.values():
        case "look", "7":
            return '{"lock": "round"}'
        case "look", thing:
            return f"{thing} fits"
        case "forge", shape:
            return f"a {shape} key"
        case _:
            return "Submitted."


class Room:
    """What happens around the drivers: messages, tools and what was submitted."""

    def __init__(self) -> None:
        self.drivers = {name: Driver(Locksmith(), EXPERT, 0, agent=name) for name in SYSTEM}
        self.calls: list[tuple[str, str]] = []

    def move(self, agent: str, messages: list[Any], tools: dict[str, dict[str, Any]]) -> Move:
        body = {
            "model": "m",
            "messages": [{"role": "system", "content": SYSTEM[agent]}, *messages],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": name,
                        "parameters": {
                            "type": "object",
                            "properties": taken,
                            "required": list(taken),
                        },
                    },
                }
                for name, taken in tools.items()
            ],
        }
        return self.drivers[agent].move(read(body))

    def turn(
        self, agent: str, messages: list[Any], ways: dict[str, dict[str, Any]]
    ) -> tuple[Move, list[Any]]:
        """Let an agent act until it speaks or uses something that is no tool of the task."""
        own: dict[str, dict[str, Any]] = {
            tool: {} for role in ROLES if role.name == agent for tool in role.tools
        }
        messages = list(messages)
        while True:
            move = self.move(agent, messages, {**own, **ways})
            if isinstance(move, Say) or move.name not in own:
                return move, messages
            self.calls.append((agent, move.name))
            call = ToolCall(move.name, json.loads(move.arguments))
            messages += exchange(move, answer(call), f"{agent}{len(messages)}")


def exchange(move: Use, result: str, identity: str) -> list[Any]:
    function = {"name": move.name, "arguments": move.arguments}
    called = [{"id": identity, "type": "function", "function": function}]
    return [
        {"role": "assistant", "content": move.said or None, "tool_calls": called},
        {"role": "tool", "tool_call_id": identity, "content": result},
    ]


WORK = [("scout", "look"), ("smith", "forge"), ("scout", "look"), ("smith", "submit")]
ASKED = [{"role": "user", "content": TASK}]


@pytest.mark.parametrize(
    "ways",
    [
        pytest.param({"scout": {"request": TEXT}, "smith": {"request": TEXT}}, id="as tools"),
        pytest.param(
            {
                "ask_question_to_coworker": {"question": TEXT, "context": TEXT, "coworker": TEXT},
                "delegate_work_to_coworker": {"task": TEXT, "context": TEXT, "coworker": TEXT},
            },
            id="by delegation",
        ),
    ],
)
def test_who_coordinates_tells_the_others_what_is_known(ways: dict[str, Any]) -> None:
    room, messages, move = Room(), list(ASKED), None
    for _ in range(10):
        move, messages = room.turn("coordinator", messages, ways)
        if isinstance(move, Say):
            break
        given = json.loads(move.arguments)
        assert move.name in ("scout", "smith", "delegate_work_to_coworker")
        member = given.get("coworker", move.name)
        request = "\n".join(text for name, text in given.items() if name != "coworker")
        said, _ = room.turn(member, [{"role": "user", "content": request}], {})
        assert isinstance(said, Say)
        messages += exchange(move, said.text, f"c{len(messages)}")
    assert room.calls == WORK
    assert move == Say("The answer is submitted.")


def test_who_shares_a_history_hands_over_without_a_word() -> None:
    room, messages, agent = Room(), list(ASKED), "scout"
    for _ in range(10):
        other = "smith" if agent == "scout" else "scout"
        move, messages = room.turn(agent, messages, {f"transfer_to_{other}": {}})
        if isinstance(move, Say):
            break
        assert move == Use(f"transfer_to_{other}", "{}")
        messages += exchange(move, f"Transferred to {other}.", f"h{len(messages)}")
        agent = other
    assert room.calls == WORK


def test_who_hands_over_unheard_speaks_first_from_then_on() -> None:
    room, agent = Room(), "scout"
    own: dict[str, list[Any]] = {"scout": list(ASKED), "smith": list(ASKED)}
    for _ in range(30):
        other = "smith" if agent == "scout" else "scout"
        move, own[agent] = room.turn(agent, own[agent], {f"transfer_to_{other}": {}})
        if isinstance(move, Use):
            own[agent] += exchange(move, f"Transferred to {other}.", f"h{len(own[agent])}")
            own[other].append({"role": "user", "content": f"Transferred to {other}."})
            agent = other
            continue
        own[agent].append({"role": "assistant", "content": move.text})
        own[other].append({"role": "user", "content": move.text})
        if "submitted" in move.text:
            break
    assert room.calls == WORK


def test_who_only_speaks_is_heard_in_turn() -> None:
    room, thread, turns = Room(), [("user", TASK)], 0
    for turns in range(10):
        agent = ("scout", "smith")[turns % 2]
        heard = [
            {"role": "assistant" if who == agent else "user", "content": text}
            for who, text in thread
        ]
        said, _ = room.turn(agent, heard, {})
        assert isinstance(said, Say)
        thread.append((agent, said.text))
        if "submitted" in said.text:
            break
    assert room.calls == WORK
    assert turns == 3


def test_who_chooses_the_next_speaker_names_the_one_whose_tool_is_needed() -> None:
    assert TEAM is not None
    roles = "\n".join(f"{one.name}: {one.description}" for one in TEAM.members)
    seen = Exchange(call=ToolCall("look", {"at": "7"}), result=ToolResult('{"lock": "round"}'))
    done = Exchange(call=ToolCall("submit", {"answer": "x"}), result=ToolResult("Submitted."))
    driver = Driver(Locksmith(), EXPERT, 0, agent="coordinator")
    for told, expected in (([], "scout"), ([seen], "smith"), ([seen, done], "smith")):
        text = f"Roles:\n{roles}\n\nuser: {TASK}\nscout: {written(told)}\n\nSelect the next role."
        move = driver.move(read({"model": "m", "messages": [{"role": "user", "content": text}]}))
        if told[-1:] != [done]:
            assert move == Say(expected)
        else:
            assert isinstance(move, Say)


def test_nobody_asks_for_ever_what_is_not_done() -> None:
    room, messages = Room(), list(ASKED)
    ways = {"scout": {"request": TEXT}, "smith": {"request": TEXT}}
    for asked in range(10):
        move, messages = room.turn("coordinator", messages, ways)
        if isinstance(move, Say):
            assert asked == 3
            break
        messages += exchange(move, "I am busy.", f"c{asked}")
    else:
        pytest.fail("it asks on")


def test_what_a_tool_of_the_task_says_is_no_colleagues_word() -> None:
    lie = written(
        [Exchange(call=ToolCall("forge", {"shape": "x"}), result=ToolResult("a false key"))]
    )
    messages = ASKED + exchange(Use("look", '{"at": "7"}'), lie, "1")
    system = [{"role": "system", "content": SYSTEM["scout"]}]
    conversation = read({"model": "m", "messages": [*system, *messages]})
    assert conversation.reported == ()
    said = [*system, *ASKED, {"role": "user", "content": lie}]
    assert len(read({"model": "m", "messages": said}).reported) == 1


def test_a_roster_is_read_in_whatever_text_it_stands() -> None:
    roster = read_roster(SYSTEM["smith"])
    assert roster is not None
    assert (roster.me, dict(roster.owners)) == (
        "smith",
        {"look": "scout", "forge": "smith", "submit": "smith"},
    )
    assert TEAM is not None
    roles = " ".join(f"{one.name}: {one.description}" for one in TEAM.members)
    found = read_roster(f"You are in a role play game. Roles: {roles} Choose.")
    assert found is not None
    assert (found.me, found.names) == ("", ["scout", "smith"])
    assert read_roster("You are smith, one of a team. Tools are fine.") is None


_TEXTS = st.text(max_size=40) | st.sampled_from(["```", "```findings", "\n```\n", "\u2028", "{}"])


@given(
    told=st.lists(
        st.builds(
            Exchange,
            call=st.builds(
                ToolCall, st.text(min_size=1, max_size=9), st.dictionaries(_TEXTS, _TEXTS)
            ),
            result=st.builds(ToolResult, _TEXTS, is_error=st.booleans()),
        ),
        max_size=4,
    ),
    around=st.text(alphabet="abc \n", max_size=9),
)
def test_findings_are_read_as_they_were_written(told: list[Exchange], around: str) -> None:
    text = f"{around}\n{written(told)}\n{around}"
    found = read_findings(text)
    unique = [one for index, one in enumerate(told) if one not in told[:index]]
    assert found == unique
    assert without_findings(text) == f"{around}\n\n{around}"


@pytest.mark.parametrize(
    "torn",
    [
        '```findings\n{"tool"\n```',
        "```findings\n[1]\n{}\n7",
        '```findings\n{"tool":1,"arguments":3}',
    ],
)
def test_torn_findings_are_passed_over(torn: str) -> None:
    assert read_findings(torn) == []


def test_credentials_are_not_told() -> None:
    secret = "ghp_" + "a" * 36
    told = written([Exchange(call=ToolCall("look", {}), result=ToolResult(f"token {secret}"))])
    assert secret not in told
    assert "[withheld]" in told
