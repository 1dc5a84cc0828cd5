"""What every scenario promises, whoever wrote it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from itertools import permutations
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import numpy as np
import pytest

from fleetgym.contracts.sandbox import Limits
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.env.instances import InstanceCache
from fleetgym.policy import play
from fleetgym.sandboxes import provider
from fleetgym_env_cti_realm.env import CtiRealmEnv
from fleetgym_env_cti_realm.expert import CtiExpert
from fleetgym_env_cti_realm.scenarios import scenarios
from fleetgym_env_cti_realm.stories import story_of
from fleetgym_estate.estate import Estate
from fleetgym_estate.estate_draw import draw_estate
from fleetgym_estate.schema import TABLES, TIME_COLUMN
from fleetgym_graders.measures import f1
from fleetgym_graders.strict import StrictGrader
from fleetgym_kb import cti, index
from fleetgym_kb.toolset import open_toolset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fleetgym.contracts.scoring import Score
    from fleetgym.env import Instance
    from fleetgym_env_cti_realm.stories.plot import Plot

SCENARIOS = {scenario.id: scenario for scenario in scenarios()}
QUICK = (0,)
SLOW = (1,)
EXHAUSTIVE = tuple(range(2, 20))

# One worker plays all seeds of a scenario, so that each is played once.
each_scenario = pytest.mark.parametrize(
    "scenario", [pytest.param(i, marks=pytest.mark.xdist_group(i)) for i in SCENARIOS]
)
each_seed = pytest.mark.parametrize(
    "seed",
    [
        *QUICK,
        *(pytest.param(seed, marks=pytest.mark.slow) for seed in SLOW),
        *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in EXHAUSTIVE),
    ],
)


@dataclass(frozen=True, slots=True)
class Played:
    """What came of an episode of the expert."""

    calls: Sequence[ToolCall]
    score: Score
    instance: Instance


class Transferred(NamedTuple):
    """What the calls of one seed's episode earn on another seed, and what their detection finds."""

    score: float
    query_f1: float
    rule_f1: float


@dataclass(slots=True)
class Desk:
    """Plays each scenario and seed once."""

    envs: Mapping[str, CtiRealmEnv]
    instances: InstanceCache
    played: dict[tuple[str, int], Played] = field(default_factory=dict[tuple[str, int], Played])

    def play(self, scenario: str, seed: int) -> Played:
        """Return the expert's episode."""
        if (scenario, seed) not in self.played:
            self.played[scenario, seed] = self._play(self.envs[scenario], seed)
        return self.played[scenario, seed]

    def _play(self, env: CtiRealmEnv, seed: int) -> Played:
        env.reset(seed=seed)
        calls: list[ToolCall] = []

        def call(asked: ToolCall) -> ToolResult:
            calls.append(asked)
            observation = env.step(_action(asked))[0]
            return ToolResult(observation["content"], is_error=bool(observation["is_error"]))

        play(CtiExpert(), env.brief.prompt, call, tools=env.tools)
        return Played(calls, env.score, self.instances.get(env, seed))

    def transfer(self, scenario: str, origin: int, seed: int) -> Transferred:
        """Make the calls of ``origin``'s episode again on ``seed``."""
        calls = self.play(scenario, origin).calls
        env = self.envs[scenario]
        expected = self.instances.get(env, seed).truth.rows
        env.reset(seed=seed)
        for call in calls:
            env.step(_action(call))
        facts = env.trajectory[-1].facts
        return Transferred(
            env.score.value, *(_rows_f1(expected, facts[part]) for part in ("kql", "sigma"))
        )


def _action(call: ToolCall) -> dict[str, Any]:
    return {"name": call.name, "arguments": dict(call.arguments)}


def _rows_f1(expected: Mapping[str, frozenset[int]], found: Mapping[str, Any]) -> float:
    hits = sum(len(rows & set(found["matched"].get(name, ()))) for name, rows in expected.items())
    return f1(
        hits=hits,
        predicted=max(found["matched_count"], found.get("row_count", 0)),
        expected=sum(map(len, expected.values())),
    )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    sandboxes = provider("none")
    instances = InstanceCache(tmp_path_factory.mktemp("instances"))
    envs = {
        name: CtiRealmEnv(
            scenario=scenario, grader=StrictGrader(), sandboxes=sandboxes, instances=instances
        )
        for name, scenario in SCENARIOS.items()
    }
    yield Desk(envs, instances)
    for env in envs.values():
        env.close()
    sandboxes.close()


@cache
def _estate(seed: int) -> Estate:
    return draw_estate(seed)


@cache
def _plot(scenario: str, seed: int) -> Plot:
    return story_of(scenario)(_estate(seed), np.random.default_rng(seed))


@each_scenario
@each_seed
def test_the_expert_earns_everything(desk: Desk, scenario: str, seed: int) -> None:
    assert desk.play(scenario, seed).score.parts == {
        name: pytest.approx(1.0) for name in desk.envs[scenario].score.parts
    }


@each_scenario
@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([(0, 1)], id="one"),
        pytest.param([*permutations(range(5), 2)], id="twenty", marks=pytest.mark.exhaustive),
    ],
)
def test_what_was_done_on_one_seed_is_worth_little_on_another(
    desk: Desk, scenario: str, pairs: Sequence[tuple[int, int]]
) -> None:
    scores, query_f1s, rule_f1s = zip(
        *(desk.transfer(scenario, *pair) for pair in pairs), strict=True
    )
    assert median(query_f1s) < 0.3
    assert median(rule_f1s) < 0.3
    assert max(scores) < 0.3


@each_scenario
def test_four_to_nine_rows_of_one_table_are_asked_for(scenario: str) -> None:
    for seed in range(40):
        asked = [event.table for event in _plot(scenario, seed).events if event.asked_for]
        assert len(asked) in range(4, 10)
        assert len(set(asked)) == 1


@each_scenario
def test_the_patterns_fit_every_row_asked_for(desk: Desk, scenario: str) -> None:
    instance = desk.play(scenario, QUICK[0]).instance
    ((table, ids),) = instance.truth.rows.items()
    columns = ", ".join(f'CAST("{name}" AS VARCHAR)' for name in instance.truth.patterns)
    listed = ", ".join(map(str, sorted(ids)))
    with duckdb.connect(instance.data / "telemetry.duckdb", read_only=True) as database:
        rows = database.execute(
            f'SELECT {columns} FROM "{table}" WHERE rowid IN ({listed})'
        ).fetchall()
    assert len(rows) == len(ids)
    patterns = list(instance.truth.patterns.values())
    assert patterns
    assert [
        (pattern, value)
        for row in rows
        for pattern, value in zip(patterns, row, strict=True)
        if not re.search(pattern, value or "")
    ] == []


@each_scenario
@pytest.mark.parametrize("seed", range(6))
def test_planted_rows_fit_their_table_and_the_window(scenario: str, seed: int) -> None:
    estate = _estate(seed)
    for event in _plot(scenario, seed).events:
        assert set(event.values) <= {column.name for column in TABLES[event.table]}
        at = event.values[TIME_COLUMN[event.table]]
        assert estate.start <= at.replace(tzinfo=None) < estate.end, (event.table, at)


@each_scenario
def test_a_plot_is_drawn_the_same_again_and_otherwise_for_another_seed(scenario: str) -> None:
    again = story_of(scenario)(_estate(3), np.random.default_rng(3))
    assert again == _plot(scenario, 3)
    other = story_of(scenario)(_estate(3), np.random.default_rng(4))
    assert [e.values for e in other.events if e.asked_for] != [
        e.values for e in again.events if e.asked_for
    ]


@each_scenario
def test_look_alikes_outnumber_the_rows_asked_for(scenario: str) -> None:
    for seed in range(6):
        events = _plot(scenario, seed).events
        (target,) = {event.table for event in events if event.asked_for}
        same = [event.asked_for for event in events if event.table == target]
        assert same.count(False) >= 2 * same.count(True)


@each_scenario
def test_a_scenario_asks_for_what_its_report_describes(scenario: str) -> None:
    declared = SCENARIOS[scenario].parameters
    reports = [report for report in cti.load() if report.id in declared["reports"]]
    assert [report.id for report in reports] == declared["reports"]
    assert set(declared["techniques"]) <= {name for r in reports for name in r.techniques}
    assert set(declared["tables"]) <= set(TABLES)
    assert SCENARIOS[scenario].platform in {"linux", "aks", "azure"}


@each_scenario
def test_an_objective_names_the_window_and_not_the_report(scenario: str) -> None:
    objective = SCENARIOS[scenario].prompt
    assert "{start}" in objective
    assert "{end}" in objective
    for report in cti.load():
        if report.id in SCENARIOS[scenario].parameters["reports"]:
            assert report.id not in objective
            assert report.title not in objective
            assert report.publisher not in objective


@each_scenario
def test_a_vague_prompt_is_the_scenarios_own_and_does_not_lead_to_its_report(
    scenario: str, tmp_path: Path
) -> None:
    told = SCENARIOS[scenario]
    search = open_toolset({"kb": index.ensure(), "data": tmp_path}, Limits())["search_cti_reports"]
    vague = told.vague_prompt.removeprefix("DETECTION OBJECTIVE:\n")
    wanted = {report.title for report in cti.load() if report.id in told.parameters["reports"]}
    assert [one.id for one in scenarios() if one.vague_prompt == told.vague_prompt] == [scenario]
    assert [title for title in wanted if title in search(query=vague)] == []
    assert [title for title in wanted if title in search(query=told.prompt)] == [*wanted]


@each_scenario
def test_a_vague_prompt_names_neither_platform_nor_tables_nor_what_the_title_says(
    scenario: str,
) -> None:
    told = SCENARIOS[scenario]
    known = " ".join((told.title, told.platform, *told.parameters["tables"]))
    words = {word.lower() for word in re.findall(r"[A-Za-z]{4,}", known)}
    vague = {word.lower() for word in re.findall(r"[A-Za-z]{4,}", told.vague_prompt)}
    assert vague & words <= {"somebody", "that", "with"}  # which tell nothing


def test_the_card_lists_every_scenario() -> None:
    card = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    listed = re.findall(r"^\| `(cti/[a-z-]+)` \| (\w+) \| (\w+) \|", card, re.MULTILINE)
    assert listed == [(s.id, s.platform, s.difficulty) for s in scenarios()]


@each_scenario
def test_the_prompt_tells_the_window_of_the_seed(desk: Desk, scenario: str) -> None:
    estate = _estate(QUICK[0])
    prompt = desk.play(scenario, QUICK[0]).instance.prompt
    assert f"{estate.start:%Y-%m-%d %H:%M}" in prompt
    assert f"{estate.end:%Y-%m-%d %H:%M}" in prompt
