"""A tour of the environments: one episode of each by its expert, told step by step."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleetgym import environments
from fleetgym.contracts.specs import load
from fleetgym.contracts.tools import SUBMIT, ToolCall, ToolResult
from fleetgym.policy.driver import play
from fleetgym.sandboxes import provider

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fleetgym.contracts.episode import Brief
    from fleetgym.contracts.scenario import Scenario
    from fleetgym.env import ToolEnv
    from fleetgym.registry import Registry

__all__ = ["PREAMBLE", "default_scenarios", "told"]

PREAMBLE = """\
# A tour of the environments

One episode of each environment, by its own expert: a reference policy, no language model. It sees \
only what the tools answer. Each line says what was asked, what that step newly earned and which \
checkpoints it moved, and the sum so far; rewards sum to the score. Long texts are cut.

Written by `fleetgym tour --out docs/tour.md` (`make tour`), not by hand; a test plays the \
episodes again.
"""

_WIDTH = 80
_LINES = 4
_ARTIFACT_LINES = 20
_ARGUMENTS = 200


@dataclass(frozen=True, slots=True)
class _Told:
    """One step."""

    call: ToolCall
    result: ToolResult
    reward: float
    moved: Mapping[str, float]
    """Checkpoints that are reached otherwise than before, and how far they are now."""


def default_scenarios(registry: Registry) -> list[Scenario]:
    """Return the first scenario of each environment, in the order of the environments' ids."""
    first: dict[str, Scenario] = {}
    for scenario in registry.scenarios().values():
        first.setdefault(scenario.environment, scenario)
    return [first[name] for name in sorted(first)]


def told(registry: Registry, scenario: str, *, seed: int = 0, sandbox: str = "local") -> str:
    """Play one episode and return its section, in Markdown.

    Raises:
        UnknownName: There is no such scenario.
        SandboxError: The sandbox failed.
    """
    with closing(provider(sandbox, max_idle=0)) as sandboxes:
        env = environments.make(registry, scenario, sandboxes=sandboxes)
        with closing(env):
            spec = registry.environment(env.scenario.environment)
            env.reset(seed=seed)
            brief = env.brief
            steps = _played(env, load(spec.policy)())
            score = env.score
    heads = [f"## {spec.id}", f"{spec.summary}. `{scenario}`, seed {seed}:"]
    lines = [*heads, _quoted(brief.task), _offered(brief)]
    total = 0.0
    for number, step in enumerate(steps, 1):
        total += step.reward
        lines += _step(number, step, total)
    parts = (
        f"`{name}` {score.parts[name]:.2f} of 1, weight {w:g}" for name, w in score.weights.items()
    )
    lines.append(f"Score {score.value:.3f}: {'; '.join(parts)}.")
    return "\n\n".join(lines) + "\n"


def _played(env: ToolEnv, policy: Any) -> Sequence[_Told]:
    steps: list[_Told] = []
    reached = dict(env.score.parts)

    def call(asked: ToolCall) -> ToolResult:
        observation, reward, *_ = env.step({"name": asked.name, "arguments": dict(asked.arguments)})
        result = ToolResult(observation["content"], is_error=bool(observation["is_error"]))
        now = env.score.parts
        moved = {name: value for name, value in now.items() if value != reached.get(name, 0.0)}
        reached.update(now)
        steps.append(_Told(asked, result, reward, moved))
        return result

    play(policy, env.brief.prompt, call, tools=env.tools)
    return steps


def _step(number: int, step: _Told, total: float) -> Iterator[str]:
    moved = "".join(f", `{name}` {value:.2f}" for name, value in step.moved.items())
    earned = f"{step.reward:+.3f}{moved}" if step.moved else "nothing new"
    yield f"**{number}. `{step.call.name}`** {_arguments(step.call)}: {earned}, sum {total:.3f}"
    if step.call.name == SUBMIT:
        yield _indented(_laid_out(str(step.call.arguments.get("answer"))), _ARTIFACT_LINES)
    yield _indented(step.result.content, _LINES)


def _arguments(call: ToolCall) -> str:
    if call.name == SUBMIT:
        return "of what stands below"
    text = json.dumps(dict(call.arguments), ensure_ascii=False) if call.arguments else ""
    cut = text if len(text) <= _ARGUMENTS else f"{text[:_ARGUMENTS]} …"
    return f"`` {cut} ``" if cut else ""


def _indented(text: str, most: int) -> str:
    """Return the first lines of a text as a block of code, of long ones both ends."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    kept = [
        f"{line[:_WIDTH]} … {line[-_WIDTH:]}" if len(line) > 2 * _WIDTH + 3 else line
        for line in lines[:most]
    ]
    if len(lines) > most:
        kept.append(f"… {len(lines) - most} more lines")
    return "\n".join(f"    {line}" for line in kept) or "    (nothing)"


def _laid_out(answer: str) -> str:
    """Return an artifact with a line a field, where it is JSON."""
    try:
        return json.dumps(json.loads(answer), indent=1, ensure_ascii=False)
    except ValueError:
        return answer


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())


def _offered(brief: Brief) -> str:
    return f"Tools: {', '.join(f'`{tool.name}`' for tool in brief.tools)}."
