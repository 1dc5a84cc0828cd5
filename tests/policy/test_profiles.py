from __future__ import annotations

import json
from dataclasses import fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from fleetgym import plugin
from fleetgym.contracts.errors import SpecError
from fleetgym.contracts.specs import ModelSpec, load
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.policy import (
    COMPETENT,
    ERRATIC,
    EXPERT,
    GULLIBLE,
    LADDER,
    PARALLEL,
    Driver,
    Move,
    Profile,
    Say,
    Use,
)
from fleetgym.policy.conversation import Conversation, Exchange, Parameters
from fleetgym.policy.profiles import draw

if TYPE_CHECKING:
    from fleetgym.contracts.policy import Plan

ROWS = [{"host": f"h{n}"} for n in range(8)]
TEXT = Parameters.model_validate({"properties": {"text": {"type": "string"}}, "required": ["text"]})
TOOLS = {
    "read": Parameters.model_validate({"properties": {"page": {"type": "integer"}}}),
    "search": TEXT,
    "submit": TEXT,
}
PAGES = 8
SEEDS = range(60)


class Reader:
    """Reads every page, then hands in all rows."""

    def plan(self, prompt: str) -> Plan:
        for page in range(PAGES):
            yield ToolCall("read", {"page": page})
        yield ToolCall("submit", {"answer": json.dumps({"rows": ROWS, "note": "all"})})


def run(profile: Profile, seed: int) -> tuple[list[Move], float]:
    """Let a forgiving framework run the model; return its moves and the share of rows handed in."""
    driver = Driver(Reader(), profile, seed)
    exchanges: list[Exchange] = []
    moves: list[Move] = []
    for _ in range(30):
        move = driver.move(
            Conversation(prompt="x", exchanges=tuple(exchanges), offered=TOOLS),
        )
        moves.append(move)
        if isinstance(move, Say):
            break
        try:
            arguments: dict[str, Any] = json.loads(move.arguments)
        except ValueError:
            continue
        if move.name == "submit" and "answer" in arguments:
            return moves, len(json.loads(arguments["answer"])["rows"]) / len(ROWS)
        wrong = move.name not in TOOLS or move.name == "submit"
        result = ToolResult("Error: no", is_error=True) if wrong else ToolResult("{}")
        exchanges.append(Exchange(call=ToolCall(move.name, arguments), result=result))
    return moves, 0.0


def first_move(**modes: float) -> Move:
    past = (Exchange(call=ToolCall("read", {"page": 0}), result=ToolResult("{}")),)
    conversation = Conversation(prompt="x", exchanges=past, offered=TOOLS)
    return Driver(Reader(), replace(EXPERT, **modes), 0).move(conversation)


def test_the_expert_makes_the_plans_calls_and_no_others() -> None:
    moves, share = run(EXPERT, 0)
    assert (len(moves), share) == (PAGES + 1, 1.0)


def test_scores_fall_with_skill() -> None:
    mean = {
        profile: sum(run(profile, seed)[1] for seed in SEEDS) / len(SEEDS)
        for profile in (EXPERT, COMPETENT, ERRATIC)
    }
    assert mean[EXPERT] == 1.0
    assert 0.8 < mean[COMPETENT] < 1.0
    assert mean[ERRATIC] < 0.6


def test_equal_seeds_give_equal_models_and_other_seeds_others() -> None:
    runs = [run(ERRATIC, seed)[0] for seed in SEEDS]
    assert [run(ERRATIC, seed)[0] for seed in SEEDS] == runs
    assert len({str(moves) for moves in runs}) > len(SEEDS) // 2


def test_the_worse_profile_errs_wherever_the_better_one_does() -> None:
    assert all(
        getattr(better, mode.name) < getattr(worse, mode.name)
        for better, worse in pairwise(LADDER.values())
        for mode in fields(Profile)
        if mode.name not in {"at_once", "obey", "leak"}  # habits, not skill
    )


def test_agents_of_one_run_err_independently() -> None:
    conversation = Conversation(prompt="x", offered=TOOLS)
    firsts = {
        agent: [
            Driver(Reader(), ERRATIC, seed, agent=agent).move(conversation) for seed in range(20)
        ]
        for agent in ("main", "writer")
    }
    assert firsts["main"] != firsts["writer"]


@pytest.mark.parametrize(
    ("mode", "move"),
    [
        pytest.param("repeat", Use("read", '{"page": 0}'), id="repeat"),
        pytest.param("wrong_tool", Use("search", '{"text": "unknown"}'), id="wrong tool"),
        pytest.param("unknown_tool", Use("run_read", '{"page": 1}'), id="unknown tool"),
        pytest.param("missing_argument", Use("read", "{}"), id="missing argument"),
    ],
)
def test_a_blunder_is_what_its_name_says(mode: str, move: Use) -> None:
    assert first_move(**{mode: 1.0}) == move


def test_stopping_early_is_a_text() -> None:
    assert isinstance(first_move(stop_early=1.0), Say)


@pytest.mark.parametrize("seed", range(20))
def test_malformed_arguments_are_never_json(seed: int) -> None:
    (move, *_), _ = run(Profile(malformed_arguments=1.0), seed)
    assert isinstance(move, Use)
    with pytest.raises(json.JSONDecodeError):
        json.loads(move.arguments)


@pytest.mark.parametrize("seed", range(20))
def test_a_sloppy_artifact_keeps_its_keys_and_loses_half_its_rows_or_more(seed: int) -> None:
    moves, share = run(Profile(sloppy=1.0), seed)
    assert 1 / len(ROWS) <= share <= 0.5
    assert isinstance(moves[-1], Use)
    assert json.loads(json.loads(moves[-1].arguments)["answer"])["note"] == "all"


def test_a_blunder_that_cannot_be_made_is_not_made() -> None:
    conversation = Conversation(prompt="x", offered={"read": Parameters()})
    profile = Profile(repeat=1.0, wrong_tool=1.0, sloppy=1.0)
    assert Driver(Reader(), profile, 0).move(conversation) == Use("read", '{"page": 0}')


def test_draws_are_spread_over_the_unit_interval() -> None:
    draws = [draw(seed, "main", 3, "repeat") for seed in range(2000)]
    assert all(0 <= value < 1 for value in draws)
    assert sum(draws) / len(draws) == pytest.approx(0.5, abs=0.03)


def test_a_profile_takes_probabilities_only() -> None:
    with pytest.raises(SpecError, match=r"repeat must be in \[0, 1\], not 1.5"):
        Profile(repeat=1.5)


def test_a_profile_asks_for_one_call_at_least() -> None:
    with pytest.raises(SpecError, match="at_once must be 1 or more, not 0"):
        Profile(at_once=0)


def test_fleetgym_registers_its_policies_as_models() -> None:
    models: list[ModelSpec] = []
    plugin.register_models(models.append)
    assert {spec.name: load(spec.entry_point) for spec in models} == {
        "policy/expert": EXPERT,
        "policy/competent": COMPETENT,
        "policy/erratic": ERRATIC,
        "policy/gullible": GULLIBLE,
        "policy/parallel": PARALLEL,
    }
