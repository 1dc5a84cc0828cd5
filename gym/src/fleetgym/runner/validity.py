"""The published table of how far graders can be trusted: written from checks that were run.

A file holds a section for each environment, so that one can be run anew without the others.
"""

from __future__ import annotations

import re
from collections import defaultdict
from statistics import fmean
from typing import TYPE_CHECKING

from fleetgym.contracts.specs import load
from fleetgym.policy.profiles import LADDER
from fleetgym.runner.check import (
    EXPERT_AT_LEAST,
    MEMORIZED_ANSWER,
    MEMORIZED_BELOW,
    MEMORIZED_CALLS,
    SKILL,
    adversaries_of,
)
from fleetgym.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fleetgym.registry import Registry
    from fleetgym.runner.check import Check

__all__ = ["PREAMBLE", "outdated", "section", "with_section"]

PREAMBLE = """\
# How far the graders can be trusted

Written by `fleetgym check env … --table docs/validity.md` (`make validity` for all of it) from \
episodes that were played then, without a framework and without a model; not by hand. What stands \
here is of the scenario and grader versions that it names; a test fails when these have moved on.

Each figure is the worst of all seeds: the lowest score of the expert, the highest of an agent \
that does not do the task. Under an agent's name stands what each of its episodes has to keep to. \
Skill is judged by the mean: the same expert, led by models that err more and more \
(`fleetgym.policy.LADDER`), must earn less and less. With fewer than 20 seeds only the ends are \
compared, because neighbors may change places.
"""

_Values = dict[str, dict[str, list[float]]]


def section(
    registry: Registry,
    environment: str,
    checks: Iterable[Check],
    *,
    seeds: str,
    sandbox: str,
) -> str:
    """Return an environment's part of the file.

    Args:
        registry: Where names are looked up.
        environment: Its id.
        checks: All that were made of it.
        seeds: As they were asked for.
        sandbox: Kind of the episodes' sandboxes.
    """
    values: _Values = defaultdict(lambda: defaultdict(list))
    failed = 0
    for check in checks:
        failed += not check.holds
        if check.value is not None:
            values[check.scenario][check.name].append(check.value)
    bounds = _bounds(registry, environment)
    command = f"fleetgym check env {environment} --seeds {seeds} --sandbox {sandbox}"
    known = registry.scenarios(environment)
    names = [name for name in known if name in values]
    instances = sum(len(values[name]["expert"]) for name in names)
    kept = "every check held" if not failed else f"{failed} checks did not hold"
    agents = [
        (name, f"{'at least' if name == 'expert' else 'below'} {bound:g}")
        for name, (bound, _) in bounds.items()
    ]
    grader = _grader(registry, environment)
    return "\n".join(
        [
            f"## {environment}",
            "",
            f"`{command}`, fleetgym {__version__}, `{grader}`: {instances} instances, {kept}.",
            "",
            *_table(
                ["scenario", *(f"{name}<br>{bound}" for name, bound in agents)],
                [
                    [_version(registry, name), *(_worst(values[name], agent) for agent in bounds)]
                    for name in names
                ],
            ),
            "",
            *_table(
                ["scenario", *(f"skill: {rung}" for rung in LADDER)],
                [[_version(registry, name), *_means(values[name])] for name in names],
            ),
            "",
            *(f"- `{name}` {summary}." for name, (_, summary) in bounds.items()),
            "",
        ]
    )


def with_section(text: str, environment: str, part: str) -> str:
    """Return the file with an environment's section put in, in place of its last one."""
    head, *parts = re.split(r"^(?=## )", text or PREAMBLE, flags=re.MULTILINE)
    sections = {old.split("\n", 1)[0]: old.strip() for old in parts}
    sections[f"## {environment}"] = part.strip()
    return "\n\n".join([PREAMBLE.strip() if head else "", *sections.values()]) + "\n"


def outdated(registry: Registry, text: str) -> list[str]:
    """Return the versions of scenarios and graders that the file should name and does not.

    Environments without a section are passed over: they are others' to publish.
    """
    found: list[str] = []
    for environment in registry.environments:
        _, heading, rest = text.partition(f"## {environment}\n")
        if heading:
            part = rest.partition("\n## ")[0]
            wanted = [f"`{_grader(registry, environment)}`"]
            wanted += [f"| {_version(registry, s)} |" for s in registry.scenarios(environment)]
            found += [f"{environment}: {name}" for name in wanted if name not in part]
    return found


def _bounds(registry: Registry, environment: str) -> Mapping[str, tuple[float, str]]:
    """Return the bound of each agent, and what it does, in the order of the table."""
    own = {a.name: (a.below, a.summary) for a in adversaries_of(registry, environment)}
    return {
        "expert": (EXPERT_AT_LEAST, "does the task"),
        **own,
        MEMORIZED_ANSWER: (MEMORIZED_BELOW, "submits the expert's artifact of another seed"),
        MEMORIZED_CALLS: (MEMORIZED_BELOW, "makes all calls of the expert on another seed again"),
    }


def _grader(registry: Registry, environment: str) -> str:
    name = registry.environment(environment).graders[0]
    return f"{name}@{load(registry.grader(name).entry_point)().version}"


def _version(registry: Registry, scenario: str) -> str:
    return f"{scenario}@{registry.scenarios()[scenario].version}"


def _worst(values: Mapping[str, Sequence[float]], agent: str) -> str:
    pick = min if agent == "expert" else max
    return f"{pick(values[agent]):.3f}" if values.get(agent) else "none"


def _means(values: Mapping[str, Sequence[float]]) -> list[str]:
    found = [values.get("expert" if name == "expert" else f"{SKILL}/{name}") for name in LADDER]
    return [f"{fmean(part):.3f}" if part else "none" for part in found]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
