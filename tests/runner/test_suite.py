import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from fleetgym.conditions.faults import NOISY_TOOLS
from fleetgym.contracts.errors import SpecError
from fleetgym.contracts.specs import FrameworkSpec
from fleetgym.registry import RegisteredFramework, Registry
from fleetgym.runner.choose import check_provider, check_sandbox, choose
from fleetgym.runner.plan import expand
from fleetgym.runner.suite import load_suite, parse_seeds

GOOD = """\
name: quick
frameworks: [langgraph, crewai]
scenarios: ["cti/*"]
seeds: 0-2,7
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "suite.yaml"
    path.write_text(text)
    return path


def test_a_suite_is_loaded_with_its_defaults(tmp_path: Path) -> None:
    suite = load_suite(write(tmp_path, GOOD))

    assert suite.seeds == [0, 1, 2, 7]
    assert suite.topologies == ["single"]
    assert suite.reference


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            GOOD + "budgt: 3\n",
            "suite.yaml:5: budgt: unknown field. Did you mean 'budget'?",
            id="unknown-field",
        ),
        pytest.param(
            GOOD.replace("name: quick\n", ""),
            "suite.yaml:1: name: this field is required.",
            id="missing",
        ),
        pytest.param(
            GOOD.replace("0-2,7", "0-x"),
            "suite.yaml:4: seeds: '0-x' is neither a seed nor a range such as 0-4.",
            id="seeds",
        ),
        pytest.param(
            GOOD + "budget:\n  steps: 0\n",
            "suite.yaml:6: budget.steps: input should be greater than or equal to 1.",
            id="nested",
        ),
        pytest.param(
            GOOD + "seeds: 3\n", "suite.yaml:5: seeds: given twice. Remove one", id="repeated"
        ),
        pytest.param("name: [\n", "suite.yaml:2: not YAML:", id="broken"),
        pytest.param("- a\n", "suite.yaml:1: a suite is a mapping", id="list"),
        pytest.param("", "suite.yaml:1: a suite is a mapping", id="empty"),
    ],
)
def test_a_malformed_suite_is_told_with_file_line_and_field(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        load_suite(write(tmp_path, text))

    assert message in str(caught.value)


def test_a_suite_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read: No such file or directory"):
        load_suite(tmp_path / "none.yaml")


def test_all_problems_of_a_suite_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_suite(write(tmp_path, GOOD.replace("quick", "Quick!") + "budgt: 3\n"))

    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("value", "seeds"),
    [
        pytest.param("0-3", [0, 1, 2, 3], id="range"),
        pytest.param("5", [5], id="one"),
        pytest.param("1,3-4", [1, 3, 4], id="mixed"),
        pytest.param(9, [9], id="number"),
    ],
)
def test_seeds_are_read_from_text(value: str | int, seeds: list[int]) -> None:
    assert parse_seeds(value) == seeds


def test_choices_of_the_command_line_replace_those_of_the_file(tmp_path: Path) -> None:
    suite = load_suite(write(tmp_path, GOOD))

    chosen = choose(
        suite, model="m", frameworks=["autogen"], seeds="4", settings=["autogen.max_rounds=7"]
    )

    assert chosen.models == ["m"]
    assert chosen.frameworks == ["autogen"]
    assert chosen.seeds == [4]
    assert chosen.parameters == {"autogen": {"max_rounds": 7}}
    assert suite.parameters == {}


@pytest.mark.parametrize("setting", ["autogen", "autogen.x", "=1", "a=1", ".x=1"])
def test_a_malformed_setting_says_its_form(tmp_path: Path, setting: str) -> None:
    suite = load_suite(write(tmp_path, GOOD))

    with pytest.raises(SpecError, match=r"PLUGIN\.KEY=VALUE"):
        choose(suite, settings=[setting])


def test_a_missing_key_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)

    with pytest.raises(Exception, match="SOME_KEY is not set"):
        check_provider("http://127.0.0.1:1/v1", "m", "SOME_KEY")


def test_an_endpoint_without_a_model_is_refused() -> None:
    with pytest.raises(SpecError, match="needs --model"):
        check_provider("http://127.0.0.1:1/v1", None, "SOME_KEY")


@pytest.mark.parametrize("condition", ["leak", "injection/log-weak", "injection/*", "*"])
def test_a_suite_with_hostile_conditions_is_refused_where_nothing_is_isolated(
    tmp_path: Path, condition: str
) -> None:
    suite = load_suite(write(tmp_path, f"{GOOD}conditions: [clean, '{condition}']\n"))
    with pytest.raises(
        SpecError, match=f"{re.escape(condition)}.*'none' isolates nothing.*--sandbox local"
    ):
        check_sandbox(suite, "none")
    check_sandbox(suite, "local")


def test_a_clean_suite_runs_in_any_sandbox(tmp_path: Path) -> None:
    check_sandbox(load_suite(write(tmp_path, GOOD)), "none")


def _with_frameworks(offered: Mapping[str, tuple[str, ...]]) -> Registry:
    registry = Registry.discover()
    for name, topologies in offered.items():
        spec = FrameworkSpec(
            name=name, entry_point="a:A", distributions=("a",), topologies=topologies, summary="A"
        )
        registry.frameworks[name] = RegisteredFramework(
            spec=spec, python=Path("python"), versions={"a": "1"}, defaults={}
        )
    return registry


TEAMS = {"a": ("single", "swarm"), "b": ("single", "crew")}


@pytest.mark.parametrize(
    ("topologies", "arms"),
    [
        ('["*"]', ["a/single", "b/single", "a/swarm", "b/crew"]),
        ("[s*, crew]", ["a/single", "b/single", "a/swarm", "b/crew"]),
        ("[single]", ["a/single", "b/single"]),
        ("[swarm, crew]", ["a/swarm", "b/crew"]),
    ],
)
def test_each_framework_runs_those_of_its_topologies_that_are_named(
    tmp_path: Path, topologies: str, arms: list[str]
) -> None:
    text = "name: a\nframeworks: [a, b]\nscenarios: [desk/quiet-day]\nseeds: 0\nreference: false\n"
    suite = load_suite(write(tmp_path, f"{text}topologies: {topologies}\n"))
    runs = expand(suite, _with_frameworks(TEAMS)).runs
    assert [f"{run.key.framework}/{run.key.topology}" for run in runs] == arms


@pytest.mark.parametrize(
    ("topologies", "scenario", "told"),
    [
        ("[swam]", "desk/quiet-day", "no topology 'swam'. Did you mean 'swarm'?"),
        ("[swarm]", "desk/quiet-day", "'b' has none of the topologies swarm. It has: single, crew"),
        ('["*"]', "tiny/number", "'swarm' needs a team, and tiny/number declares none"),
    ],
)
def test_a_topology_that_cannot_be_had_is_told_before_anything_runs(
    tmp_path: Path, topologies: str, scenario: str, told: str
) -> None:
    text = f"name: a\nframeworks: [a, b]\nscenarios: ['{scenario}']\nseeds: 0\n"
    suite = load_suite(write(tmp_path, f"{text}topologies: {topologies}\n"))
    with pytest.raises(SpecError, match=re.escape(told)):
        expand(suite, _with_frameworks(TEAMS))


def test_a_condition_of_another_version_makes_other_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'name: a\nframeworks: [a]\nscenarios: ["tiny/*"]\nseeds: 0\n'
    suite = load_suite(write(tmp_path, text + "conditions: [clean, noisy-tools]\n"))
    spec = FrameworkSpec(
        name="a", entry_point="a:A", distributions=("a",), topologies=("single",), summary="A"
    )
    registry = Registry.discover()
    registry.frameworks["a"] = RegisteredFramework(
        spec=spec, python=Path("python"), versions={"a": "1"}, defaults={}
    )
    clean, noisy, *_ = expand(suite, registry).runs
    monkeypatch.setattr(NOISY_TOOLS, "version", "another")
    clean_again, noisy_again, *_ = expand(suite, registry).runs

    assert clean_again.run_id == clean.run_id
    assert noisy_again.run_id != noisy.run_id


FAULTY = """\
name: a
frameworks: [a]
scenarios: ["tiny/*"]
conditions: [clean, "faults/*"]
reference: false
seeds: 0
faults:
  slow: {model: [{fault: slow, since: 1}]}
"""


def test_a_suite_brings_faults_of_its_own_and_a_changed_plan_makes_other_runs(
    tmp_path: Path,
) -> None:
    registry = _with_frameworks({"a": ("single",)})
    clean, slow = expand(load_suite(write(tmp_path, FAULTY)), registry).runs
    assert (clean.key.condition, slow.key.condition) == ("clean", "faults/slow")
    slower = FAULTY.replace("since: 1", "since: 1, seconds: 2")
    clean_again, slow_again = expand(load_suite(write(tmp_path, slower)), registry).runs
    assert clean_again.run_id == clean.run_id
    assert slow_again.run_id != slow.run_id


@pytest.mark.parametrize(
    ("change", "to", "told"),
    [
        ('"faults/*"', "vague", "declares the faults 'slow', and no run meets them"),
        ('"faults/*"', "faults/slwo", "There is no condition 'faults/slwo'"),
    ],
)
def test_faults_that_no_run_meets_are_told_before_anything_runs(
    tmp_path: Path, change: str, to: str, told: str
) -> None:
    suite = load_suite(write(tmp_path, FAULTY.replace(change, to)))
    with pytest.raises(SpecError, match=re.escape(told)):
        expand(suite, _with_frameworks({"a": ("single",)}))


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ("{model: [{fault: slw, since: 1}]}", "suite.yaml:8: faults.slow.model.0.fault: input sho"),
        ("{model: [{fault: slow}]}", "faults.slow.model.0: give exactly one of at, since and shar"),
        ("{modl: []}", "suite.yaml:8: faults.slow.modl: unknown field. Did you mean 'model'?"),
        ("{tools: [{fault: slow, at: 0}]}", "suite.yaml:8: faults.slow.tools.0.at.0: input should"),
    ],
)
def test_a_malformed_plan_is_told_with_its_line(tmp_path: Path, plan: str, told: str) -> None:
    broken = FAULTY.replace("{model: [{fault: slow, since: 1}]}", plan)
    with pytest.raises(SpecError, match=re.escape(told)):
        load_suite(write(tmp_path, broken))
