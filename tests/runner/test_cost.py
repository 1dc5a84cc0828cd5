from types import SimpleNamespace
from typing import Any

from fleetgym.contracts.record import Outcome, RunKey, RunRecord, Usage
from fleetgym.runner.cost import Price, PriceTable, estimate


def key(model: str, scenario: str) -> RunKey:
    return RunKey(
        framework="toy", framework_version="1", topology="single", scenario=scenario,
        scenario_version=1, condition="clean", model=model, seed=0, grader="tiny/exact",
    )  # fmt: skip


def test_tokens_come_from_earlier_runs_and_an_unknown_model_has_no_price() -> None:
    keys = [key("known", "a/seen"), key("known", "a/seen"), key("other", "a/new")]
    plan: Any = SimpleNamespace(runs=[SimpleNamespace(key=one) for one in keys])
    usage = Usage(input_tokens=1_000_000, output_tokens=500_000)
    earlier = RunRecord(run_id="0", key=keys[0], suite="s", outcome=Outcome.SUCCESS, usage=usage)
    table = PriceTable(version=1, models={"known": Price(input=2, output=4)})

    known, other = estimate(plan, table, [earlier])

    assert (known.runs, known.from_records, known.dollars) == (2, 2, 8.0)
    assert (other.runs, other.from_records, other.dollars) == (1, 0, None)
