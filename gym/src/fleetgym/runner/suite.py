"""A suite: a YAML matrix of runs.

Every list is a factor; the runs are their product, so that any two frameworks meet on equal
(scenario, condition, model, seed), less what the suite excludes. ``docs/suites.md`` tells more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from fleetgym.contracts.faults import FaultPlan  # noqa: TC001 - pydantic needs it
from fleetgym.contracts.framework import SINGLE
from fleetgym.yaml_model import StrictModel, load_model

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BudgetOverride", "Exclusion", "Suite", "load_suite", "parse_seeds"]

_MAX_SEEDS = 100_000


def parse_seeds(value: Any) -> Any:
    """Return the seeds in ``"0-4"``, ``"0-4,7"``, ``3`` or ``[0, 1]`` as a list; order is kept.

    Raises:
        ValueError: The text is none of these.
    """
    if isinstance(value, int):
        return [value]
    if not isinstance(value, str):
        return value
    seeds: list[int] = []
    for part in value.split(","):
        first, _, last = part.strip().partition("-")
        try:
            low, high = int(first), int(last or first)
        except ValueError:
            raise ValueError(
                f"{part.strip()!r} is neither a seed nor a range such as 0-4"
            ) from None
        if high < low or high - low > _MAX_SEEDS:
            raise ValueError(f"{part.strip()!r} is no range of at most {_MAX_SEEDS} seeds")
        seeds.extend(range(low, high + 1))
    return seeds


class BudgetOverride(StrictModel):
    """Replaces a scenario's own budget, field by field."""

    steps: int | None = Field(default=None, ge=1)
    model_calls: int | None = Field(default=None, ge=1)
    tokens: int | None = Field(default=None, ge=1)
    seconds: float | None = Field(default=None, gt=0)


_Names = Annotated[list[str], Field(min_length=1)]
_Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Exclusion(StrictModel):
    """Runs that are left out: those that fit every field that is given."""

    frameworks: list[str] = Field(default=[])
    topologies: list[str] = Field(default=[])
    scenarios: list[str] = Field(default=[])
    conditions: list[str] = Field(default=[])
    models: list[str] = Field(default=[])
    """Names or patterns, of what the suite chooses."""

    seeds: Annotated[list[_Seed], BeforeValidator(parse_seeds)] = Field(default=[])

    @model_validator(mode="after")
    def _names_something(self) -> Exclusion:
        if not self.model_fields_set:
            raise ValueError("names nothing, which would leave out every run")
        return self


class Suite(StrictModel):
    """What a suite file holds."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    """Lower-case letters, digits and hyphens; the default of ``--out`` is ``runs/<name>``."""

    description: str = ""
    frameworks: _Names
    topologies: _Names = Field(default=[SINGLE])
    """Names or patterns; each framework runs those of its own that fit, and has to have one."""

    scenarios: _Names
    """Ids, or patterns such as ``cti/*``."""

    conditions: _Names = Field(default=["clean"])
    models: _Names = Field(default=["policy/competent"])
    seeds: Annotated[list[_Seed], BeforeValidator(parse_seeds), Field(min_length=1)]
    """A list, or text such as ``0-4``."""

    spread: list[Literal["conditions", "models"]] = Field(default=[])
    """Factors of which each (scenario, seed) meets one value instead of all, in turn."""

    exclude: list[Exclusion] = Field(default=[])
    """Each entry leaves out some runs."""

    grader: str | None = None
    """The environment's first one by default."""

    isolate: Literal["local", "docker", "none"] = "local"
    """Where frameworks run; no part of what a run is."""

    reference: bool = True
    """Whether the expert also plays each (scenario, condition, seed), without a framework, as the
    ceiling of the reward curves.
    """

    parameters: dict[str, dict[str, Any]] = Field(default={})
    """Of plugins, by framework; what is not named stays at the plugin's default."""

    budget: BudgetOverride = BudgetOverride()

    faults: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")], FaultPlan] = Field(
        default={}
    )
    """Plans of its own; each is the condition ``faults/<name>``."""


def load_suite(path: Path) -> Suite:
    """Return the suite in a YAML file.

    Raises:
        SpecError: It cannot be read or is malformed; the text gives file, line and field.
    """
    return load_model(path, Suite)
