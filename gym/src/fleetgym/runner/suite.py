"""A suite: a YAML matrix of runs.

Every list is a factor; the runs are their product, so that any two frameworks meet on equal
(scenario, condition, model, seed).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from fleetgym.contracts.errors import SpecError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BudgetOverride", "Suite", "load_suite", "parse_seeds"]

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


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BudgetOverride(_Strict):
    """Replaces a scenario's own budget, field by field."""

    steps: int | None = Field(default=None, ge=1)
    model_calls: int | None = Field(default=None, ge=1)
    tokens: int | None = Field(default=None, ge=1)
    seconds: float | None = Field(default=None, gt=0)


_Names = Annotated[list[str], Field(min_length=1)]
_Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Suite(_Strict):
    """What a suite file holds."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    """Lower-case letters, digits and hyphens; the default of ``--out`` is ``runs/<name>``."""

    description: str = ""
    frameworks: _Names
    topologies: _Names = ["single"]
    scenarios: _Names
    """Ids, or patterns such as ``cti/*``."""

    conditions: _Names = ["clean"]
    models: _Names = ["policy/competent"]
    seeds: Annotated[list[_Seed], BeforeValidator(parse_seeds), Field(min_length=1)]
    """A list, or text such as ``0-4``."""

    grader: str | None = None
    """The environment's first one by default."""

    reference: bool = True
    """Whether the expert also plays each (scenario, condition, seed), without a framework, as the
    ceiling of the reward curves.
    """

    parameters: dict[str, dict[str, Any]] = {}
    """Of plugins, by framework; what is not named stays at the plugin's default."""

    budget: BudgetOverride = BudgetOverride()


def load_suite(path: Path) -> Suite:
    """Return the suite in a YAML file.

    Raises:
        SpecError: It cannot be read or is malformed; the text gives file, line and field.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise SpecError(f"Suite {str(path)!r} cannot be read: {reason}.") from error
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "malformed"
        raise SpecError(f"{path}{line}: not YAML: {problem}.") from error
    if not isinstance(data, dict) or not isinstance(tree, yaml.MappingNode):
        raise SpecError(f"{path}:1: a suite is a mapping with `name`, `frameworks`, `scenarios` …")
    repeated = _repeated_key(tree)
    if repeated is not None:
        line = repeated.start_mark.line + 1
        raise SpecError(f"{path}:{line}: {repeated.value}: given twice. Remove one of them.")
    try:
        return Suite.model_validate(data)
    except ValidationError as error:
        lines = [
            f"{path}:{_line(tree, problem['loc'])}: "
            f"{'.'.join(map(str, problem['loc']))}: {_say(problem['type'], problem['msg'])}"
            for problem in error.errors()
        ]
        raise SpecError("\n".join(lines)) from error


def _say(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return f"unknown field. Known: {', '.join(Suite.model_fields)}."
    if kind == "missing":
        return "this field is required."
    return f"{message[:1].lower()}{message[1:]}.".replace("value error, ", "")


def _line(node: yaml.Node, where: tuple[int | str, ...]) -> int:
    """Return the line, from 1, of the deepest part of ``where`` that stands in the file."""
    for part in where:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                break
            node = found[1] if isinstance(found[1], yaml.CollectionNode) else found[0]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
        else:
            break
    return node.start_mark.line + 1


def _repeated_key(tree: yaml.MappingNode) -> yaml.ScalarNode | None:
    seen: set[str] = set()
    for key, _ in tree.value:
        if key.value in seen:
            return key
        seen.add(key.value)
    return None
