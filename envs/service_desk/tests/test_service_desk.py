"""The service desk: what its server shows, what counts, and that it can be solved."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fleetgym import environments
from fleetgym.contracts.scenario import Scenario
from fleetgym.contracts.tools import SUBMIT, ToolCall, ToolResult
from fleetgym.env import ToolEnv
from fleetgym.policy.driver import play
from fleetgym.registry import Registry
from fleetgym.sandboxes import provider
from fleetgym_env_service_desk import env as desk_env
from fleetgym_env_service_desk.adversaries import ADVERSARIES
from fleetgym_env_service_desk.expert import DeskExpert
from fleetgym_env_service_desk.instance import generate
from fleetgym_env_service_desk.scenarios import scenarios

SERVER = Path(desk_env.__file__).parent / "server" / "desk_server.py"

Change = Callable[[dict[str, Any]], dict[str, Any] | None]


@pytest.fixture(scope="module", params=["local", "none"])
def desk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ToolEnv]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEETGYM_HOME", str(tmp_path_factory.mktemp("home")))
        with closing(provider(request.param)) as sandboxes:
            made = environments.make(Registry.discover(), "desk/quiet-day", sandboxes=sandboxes)
            with closing(made):
                yield made


def act(env: ToolEnv, name: str, /, **arguments: Any) -> ToolResult:
    observation, *_ = env.step({"name": name, "arguments": arguments})
    return ToolResult(observation["content"], is_error=bool(observation["is_error"]))


def solve(env: ToolEnv, tool: str = "", change: Change = dict) -> dict[str, float]:
    """Let the expert act, the arguments of one tool changed; return what it did not reach."""
    env.reset(seed=3)

    def call(wanted: ToolCall) -> ToolResult:
        arguments = dict(wanted.arguments)
        changed = change(arguments) if wanted.name == tool else arguments
        return ToolResult("{}") if changed is None else act(env, wanted.name, **changed)

    play(DeskExpert(), f"{env.brief.system}\n\n{env.brief.task}", call, tools=env.tools)
    return {name: part for name, part in env.score.parts.items() if part < 1}


def test_the_expert_earns_everything(desk: ToolEnv) -> None:
    assert solve(desk) == {}
    assert desk.score.value == pytest.approx(1.0)


def _too_few(arguments: dict[str, Any]) -> dict[str, Any]:
    return {**arguments, "tickets": arguments["tickets"][1:]}


def _too_many(arguments: dict[str, Any]) -> dict[str, Any]:
    first = int(arguments["tickets"][0][2:])
    others = (f"T-{number:04}" for number in range(first - 1, first + 2))
    return {**arguments, "tickets": [*arguments["tickets"], *others]}


def _not_at_all(_: dict[str, Any]) -> None:
    return None


def _trifling(arguments: dict[str, Any]) -> dict[str, Any]:
    return {**arguments, "priority": "P3"}


def _another_change(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"answer": json.dumps({**json.loads(arguments["answer"]), "cause": "CHG-0001"})}


@pytest.mark.parametrize(
    ("tool", "change", "lost"),
    [
        pytest.param("link_tickets", _too_few, "C3_tickets", id="a ticket too few"),
        pytest.param("link_tickets", _too_many, "C3_tickets", id="tickets too many"),
        pytest.param("assign_incident", _not_at_all, "C6_assignee", id="nobody assigned"),
        pytest.param("open_incident", _trifling, "C5_priority", id="P3"),
        pytest.param(SUBMIT, _another_change, "C2_cause", id="another change"),
    ],
)
def test_each_mistake_costs_its_checkpoint_and_no_other(
    desk: ToolEnv, tool: str, change: Change, lost: str
) -> None:
    assert [*solve(desk, tool, change)] == [lost]


def test_linking_all_tickets_is_worth_nothing_and_nothing_counts_without_them(
    desk: ToolEnv,
) -> None:
    (everything,) = ADVERSARIES
    desk.reset(seed=1)  # its most frequent service is the one that fails
    plan = everything.plan(desk.brief, desk.scenario.budget, 1)
    planned = next(plan)
    while not desk.submitted:
        result = act(desk, planned.name, **planned.arguments)
        planned = planned if desk.submitted else plan.send(result)
    parts = desk.score.parts
    assert {name for name, part in parts.items() if part} == {"C1_evidence"}


def test_an_incident_that_the_desk_does_not_have_earns_nothing(desk: ToolEnv) -> None:
    desk.reset(seed=0)
    act(desk, SUBMIT, answer='{"incident": "INC-0001", "cause": "CHG-0000"}')
    assert desk.submitted
    assert desk.score.value == 0.0


@pytest.mark.parametrize(
    "answer",
    ["", "[]", '{"incident": "INC-0001"}', '{"incident": "1", "cause": "CHG-0001"}', "[" * 10**5],
)
def test_an_answer_of_another_form_is_refused_and_may_be_given_again(
    desk: ToolEnv, answer: str
) -> None:
    desk.reset(seed=0)
    assert act(desk, SUBMIT, answer=answer).is_error
    assert not desk.submitted


def test_what_one_episode_did_at_the_desk_is_not_there_in_the_next(desk: ToolEnv) -> None:
    for _ in range(2):
        desk.reset(seed=0)
        service = json.loads(act(desk, "search_tickets").content)["tickets"][0]["service"]
        opened = act(desk, "open_incident", title="An outage", service=service, priority="P1")
        assert json.loads(opened.content)["id"] == "INC-0001"


def test_a_wrong_call_is_told_as_the_server_tells_it(desk: ToolEnv) -> None:
    desk.reset(seed=0)
    told = "Error: Error executing tool get_ticket: There is no 'T-9999' among the tickets."
    assert act(desk, "get_ticket", ticket="T-9999") == ToolResult(told, is_error=True)


def test_the_server_knows_nothing_of_fleetgym() -> None:
    source = SERVER.read_text()
    modules = {
        name
        for node in ast.walk(ast.parse(source))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not [name for name in modules if name.startswith("fleetgym")]
    assert sorted(path.name for path in SERVER.parent.iterdir() if path.suffix) == [SERVER.name]


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.id)
def test_of_the_outage_the_data_show_three_traits_and_no_more(
    scenario: Scenario, tmp_path: Path
) -> None:
    for seed in range(50):
        _, truth = generate(scenario, seed, tmp_path)
        desk = json.loads((tmp_path / "desk.json").read_text())
        changes = {c["id"]: c for c in desk["changes"].values() if c["service"] == truth["service"]}
        cause = changes[truth["cause"]]
        explained = sorted(
            ticket["id"]
            for ticket in desk["tickets"].values()
            if ticket["error"] == truth["code"]
            and ticket["opened"] > cause["at"]
            and ticket["status"] == "open"
        )
        assert explained == truth["tickets"]
        assert sorted(explained + truth["others"]) == sorted(desk["tickets"])
        assert {*map(frozenset, desk["tickets"].values())} == {
            frozenset({"id", "opened", "service", "status", "subject", "error", "body"})
        }
        codes = Counter(t["error"] for t in desk["tickets"].values() if t["status"] == "open")
        del codes[""]
        (code, count), (_, next_count) = codes.most_common(2)
        assert (code, count > next_count) == (truth["code"], True)
        first = desk["tickets"][explained[0]]["opened"]
        in_force = [
            change["id"]
            for change in changes.values()
            if change["at"] <= first
            and (change["rolled_back"] is None or change["rolled_back"] > first)
        ]
        assert in_force[-1] == truth["cause"]
