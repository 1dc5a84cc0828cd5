from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fleetgym.contracts.errors import ModelError, PlanLost
from fleetgym.contracts.policy import ask_all
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.policy import (
    EXPERT,
    PARALLEL,
    Conversation,
    Driver,
    Exchange,
    Move,
    Profile,
    Say,
    Use,
    play,
)
from fleetgym.policy.conversation import Parameters
from fleetgym.policy.driver import MAX_TRIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetgym.contracts.policy import Plan

OFFERED = {
    "look": Parameters.model_validate(
        {"properties": {"place": {"type": "string"}, "depth": {"type": "integer", "default": 3}}}
    ),
    "submit": Parameters(),
}
LOOK_HALL = ToolCall("look", {"place": "hall"})
LOOK_CELLAR = ToolCall("look", {"place": "cellar"})
LOOK_ATTIC = ToolCall("look", {"place": "attic"})
TO_CELLAR = ToolResult('{"next": "cellar"}')
TO_ATTIC = ToolResult('{"next": "attic"}')
FAILED = ToolResult("Error: the hall is dark", is_error=True)


class Seeker:
    """Follows what it reads from the hall to the end, and gives up where it is told of an error."""

    def __init__(self) -> None:
        self.read = 0

    def plan(self, prompt: str) -> Plan:
        place = prompt.rsplit(maxsplit=1)[-1]
        result = yield ToolCall("look", {"place": place})
        while not result.is_error:
            self.read += 1
            found = json.loads(result.content)
            if "next" not in found:
                yield ToolCall("submit", {"answer": json.dumps(found)})
                return
            result = yield ToolCall("look", {"place": found["next"]})
        yield ToolCall("submit", {"answer": json.dumps({"error": result.content})})


def told(*exchanges: tuple[ToolCall, ToolResult]) -> Conversation:
    return Conversation(
        prompt="Start in the hall",
        exchanges=tuple(Exchange(call=call, result=result) for call, result in exchanges),
        offered=OFFERED,
    )


def next_move(*exchanges: tuple[ToolCall, ToolResult]) -> Move:
    return Driver(Seeker(), EXPERT, 0).move(told(*exchanges))


def use(call: ToolCall) -> Use:
    return Use(call.name, json.dumps(dict(call.arguments)))


def test_the_first_move_is_the_plans_first_call() -> None:
    assert next_move() == use(LOOK_HALL)


def test_the_next_move_follows_from_the_recorded_result() -> None:
    assert next_move((LOOK_HALL, TO_CELLAR)) == use(LOOK_CELLAR)


def test_results_of_calls_the_plan_never_made_are_passed_over() -> None:
    exchanges = [(LOOK_ATTIC, ToolResult("{}")), (LOOK_HALL, TO_CELLAR), (LOOK_ATTIC, FAILED)]
    assert next_move(*exchanges) == use(LOOK_CELLAR)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"place": "hall", "depth": 3}, id="a default was filled in"),
        pytest.param({"place": "hall", "depth": 3.0}, id="an integer became a float"),
        pytest.param({"depth": None, "place": "hall"}, id="an absent argument became null"),
    ],
)
def test_a_call_is_known_again_although_the_framework_rewrote_it(arguments: dict[str, Any]) -> None:
    assert next_move((ToolCall("look", arguments), TO_CELLAR)) == use(LOOK_CELLAR)


def test_another_value_is_another_call() -> None:
    deeper = ToolCall("look", {"place": "hall", "depth": 4})
    assert next_move((deeper, TO_CELLAR)) == use(LOOK_HALL)


@pytest.mark.parametrize("tries", range(1, MAX_TRIES))
def test_a_failed_call_is_made_again(tries: int) -> None:
    assert next_move(*[(LOOK_HALL, FAILED)] * tries) == use(LOOK_HALL)


def test_a_call_that_works_the_second_time_counts_as_done() -> None:
    assert next_move((LOOK_HALL, FAILED), (LOOK_HALL, TO_CELLAR)) == use(LOOK_CELLAR)


def test_the_plan_is_told_of_an_error_that_stays() -> None:
    given_up = ToolCall("submit", {"answer": json.dumps({"error": FAILED.content})})
    assert next_move(*[(LOOK_HALL, FAILED)] * MAX_TRIES) == use(given_up)


def test_a_result_the_plan_cannot_read_is_an_error_whatever_it_looks_like() -> None:
    dark = ToolResult("It is dark in here.")
    assert next_move((LOOK_HALL, dark)) == use(LOOK_HALL)
    given_up = ToolCall("submit", {"answer": json.dumps({"error": dark.content})})
    assert next_move(*[(LOOK_HALL, dark)] * MAX_TRIES) == use(given_up)


def test_an_accepted_submission_is_followed_by_a_closing_text() -> None:
    submitted = (ToolCall("submit", {"answer": "anything"}), ToolResult("Submitted."))
    assert isinstance(next_move(submitted), Say)


def test_a_refused_submission_is_made_again() -> None:
    submit = ToolCall("submit", {"answer": "{}"})
    exchanges = [(LOOK_HALL, ToolResult("{}")), (submit, ToolResult("Error: no", is_error=True))]
    assert next_move(*exchanges) == use(submit)


def test_a_tool_that_is_not_offered_is_not_called_and_the_plan_is_told() -> None:
    conversation = Conversation(prompt="Start in the hall", offered={"submit": Parameters()})
    move = Driver(Seeker(), EXPERT, 0).move(conversation)
    assert isinstance(move, Use)
    assert (move.name, "no tool 'look'" in move.arguments) == ("submit", True)


def test_without_any_tool_the_answer_is_a_text() -> None:
    assert isinstance(Driver(Seeker(), EXPERT, 0).move(Conversation(prompt="the hall")), Say)


def test_each_result_is_read_once_however_often_the_model_is_asked() -> None:
    seeker = Seeker()
    driver = Driver(seeker, EXPERT, 0)
    exchanges = [(LOOK_HALL, TO_CELLAR), (LOOK_CELLAR, TO_ATTIC), (LOOK_ATTIC, TO_CELLAR)]
    for seen in range(len(exchanges) + 1):
        driver.move(told(*exchanges[:seen]))
    assert seeker.read == len(exchanges)


def test_a_changed_past_is_followed_as_if_it_had_always_been_so() -> None:
    driver = Driver(Seeker(), EXPERT, 0)
    driver.move(told((LOOK_HALL, TO_CELLAR), (LOOK_CELLAR, TO_ATTIC)))
    assert driver.move(told((LOOK_HALL, TO_ATTIC))) == use(LOOK_ATTIC)
    assert driver.move(told()) == use(LOOK_HALL)


def test_a_plan_that_breaks_on_an_error_is_the_policys_fault() -> None:
    class Fragile:
        def plan(self, prompt: str) -> Plan:
            result = yield LOOK_HALL
            yield ToolCall("submit", json.loads(result.content))

    with pytest.raises(ModelError, match="failed after its call of 'look': JSONDecodeError"):
        Driver(Fragile(), EXPERT, 0).move(told(*[(LOOK_HALL, FAILED)] * MAX_TRIES))


def played(results: Sequence[ToolResult], *, tools: set[str] | None = None) -> list[ToolCall]:
    calls: list[ToolCall] = []

    def call(made: ToolCall) -> ToolResult:
        calls.append(made)
        return results[len(calls) - 1]

    play(Seeker(), "Start in the hall", call, tools=tools)
    return calls


def test_played_directly_the_policy_makes_the_calls_it_would_make_through_a_framework() -> None:
    results = [FAILED, TO_CELLAR, ToolResult('{"value": 7}'), ToolResult("Submitted.")]
    submit = ToolCall("submit", {"answer": '{"value": 7}'})
    direct = played(results)
    assert direct == [LOOK_HALL, LOOK_HALL, LOOK_CELLAR, submit]
    driver = Driver(Seeker(), EXPERT, 0)
    history = list(zip(direct, results, strict=True))
    chatted = [driver.move(told(*history[:seen])) for seen in range(len(history))]
    assert chatted == [use(call) for call in direct]


def test_played_directly_a_missing_tool_costs_no_call() -> None:
    calls = played([ToolResult("Submitted.")], tools={"submit"})
    assert [call.name for call in calls] == ["submit"]


def test_a_plan_that_is_lost_tries_again_and_then_stops() -> None:
    class Lost:
        def plan(self, prompt: str) -> Plan:
            del prompt
            seen: ToolResult = yield ToolCall("look", {"place": "here"})
            raise PlanLost(f"There is nothing in {seen.content!r}.")

    asked: list[ToolCall] = []

    def call(planned: ToolCall) -> ToolResult:
        asked.append(planned)
        return ToolResult("[]")

    play(Lost(), "Find it.", call)

    assert asked == [ToolCall("look", {"place": "here"})] * 3


class Surveyor:
    """Looks at three places that have nothing to do with each other, and hands in what it saw."""

    def plan(self, prompt: str) -> Plan:
        del prompt
        seen = yield from ask_all([LOOK_HALL, LOOK_CELLAR, LOOK_ATTIC], json.loads)
        yield ToolCall("submit", {"answer": json.dumps(seen)})


def together_move(
    *exchanges: tuple[ToolCall, ToolResult], several: bool = True, profile: Profile = PARALLEL
) -> Move:
    return Driver(Surveyor(), profile, 0).move(replace(told(*exchanges), several=several))


def test_independent_calls_are_asked_for_together() -> None:
    assert together_move() == replace(use(LOOK_HALL), beside=(use(LOOK_CELLAR), use(LOOK_ATTIC)))


@pytest.mark.parametrize(
    ("several", "profile"),
    [
        pytest.param(False, PARALLEL, id="the request does not let it"),
        pytest.param(True, EXPERT, id="the profile does not"),
    ],
)
def test_else_they_are_asked_for_one_by_one(several: bool, profile: Profile) -> None:
    assert together_move(several=several, profile=profile) == use(LOOK_HALL)


def test_no_more_calls_than_the_profile_says_are_asked_for_at_once() -> None:
    assert together_move(profile=Profile(at_once=2)) == replace(
        use(LOOK_HALL), beside=(use(LOOK_CELLAR),)
    )


def test_of_several_calls_the_one_that_failed_is_made_again() -> None:
    exchanges = [(LOOK_HALL, FAILED), (LOOK_CELLAR, TO_ATTIC), (LOOK_ATTIC, TO_ATTIC)]
    assert together_move(*exchanges) == use(LOOK_HALL)


def test_a_plan_is_lost_at_the_first_of_several_calls_that_is_refused_for_good() -> None:
    given_up = together_move(*[(LOOK_HALL, FAILED)] * MAX_TRIES, (LOOK_CELLAR, TO_ATTIC))
    assert given_up == Say("There is nothing more that I can do.")


def test_of_several_calls_the_one_whose_result_makes_no_sense_is_made_again() -> None:
    dark = ToolResult("It is dark in here.")
    exchanges = [(LOOK_HALL, dark), (LOOK_CELLAR, TO_ATTIC), (LOOK_ATTIC, TO_ATTIC)]
    assert together_move(*exchanges) == use(LOOK_HALL)


def test_an_answer_in_which_something_goes_wrong_asks_for_one_call() -> None:
    move = together_move(profile=Profile(at_once=8, unknown_tool=1.0))
    assert move == Use("run_look", use(LOOK_HALL).arguments)
