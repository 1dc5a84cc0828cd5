"""What a suite would cost at a table of prices, from the tokens of runs that are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from pydantic import Field

from fleetgym.contracts.record import Outcome
from fleetgym.runner.plan import REFERENCE
from fleetgym.yaml_model import StrictModel, load_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetgym.contracts.record import RunRecord
    from fleetgym.runner.plan import Plan

__all__ = ["PRICES", "Cost", "Price", "PriceTable", "estimate", "load_prices"]

PRICES = Path(__file__).with_name("prices.yaml")
"""The table that is used when no other one is given."""

_DEFAULT_TOKENS = (150_000.0, 3_000.0)
"""Input and output of a run of which nothing is known."""

_MILLION = 1_000_000


class Price(StrictModel):
    """Dollars for a million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class PriceTable(StrictModel):
    """What a price file holds."""

    version: int = Field(ge=1)
    models: dict[str, Price]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one model's runs of a plan come to; those of the expert cost nothing."""

    model: str
    runs: int
    input_tokens: float
    output_tokens: float
    from_records: int
    """Runs whose tokens were estimated from earlier runs of their scenario."""

    dollars: float | None
    """None when the table does not know the model."""


def estimate(plan: Plan, table: PriceTable, earlier: Sequence[RunRecord] = ()) -> list[Cost]:
    """Return the cost of each model, in the plan's order."""
    known: dict[str, list[RunRecord]] = {}
    for record in earlier:
        if record.outcome is not Outcome.VOID and record.key.framework != REFERENCE:
            known.setdefault(record.key.scenario, []).append(record)
    tokens = {
        scenario: (
            fmean(r.usage.input_tokens for r in records),
            fmean(r.usage.output_tokens for r in records),
        )
        for scenario, records in known.items()
    }
    costs: list[Cost] = []
    keys = [run.key for run in plan.runs if run.key.framework != REFERENCE]
    for model in dict.fromkeys(key.model for key in keys):
        mine = [key.scenario for key in keys if key.model == model]
        spent = [tokens.get(scenario, _DEFAULT_TOKENS) for scenario in mine]
        read, written = sum(i for i, _ in spent), sum(o for _, o in spent)
        price = table.models.get(model)
        dollars = price and (read * price.input + written * price.output) / _MILLION
        costs.append(
            Cost(
                model=model,
                runs=len(mine),
                input_tokens=read,
                output_tokens=written,
                from_records=sum(scenario in tokens for scenario in mine),
                dollars=dollars,
            )
        )
    return costs


def load_prices(path: Path | None) -> PriceTable:
    """Return the table in a file, or fleetgym's own."""
    return load_model(path or PRICES, PriceTable)
