"""One run, step by step, for a terminal."""

from __future__ import annotations

import io
import json
from itertools import accumulate
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.padding import Padding
from rich.text import Text

from fleetgym.analysis.coordination import coordination
from fleetgym.analysis.summary import banner, group_of
from fleetgym.analysis.table import megabytes, quantity
from fleetgym.contracts.condition import FindingKind
from fleetgym.contracts.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from fleetgym.contracts.record import (
        FaultRecord,
        FindingRecord,
        RunRecord,
        ScoreRecord,
        StepRecord,
    )

__all__ = ["print_trajectory", "render_trajectory", "trajectory_text", "visible"]

_SHOWN_LINES = 12
_SHOWN_CHARACTERS = 700
_HARM = {FindingKind.OBEYED, FindingKind.LEAKED}
_STYLES = {Outcome.SUCCESS: "bold green", Outcome.VOID: "bold magenta"}


def print_trajectory(
    record: RunRecord, console: Console | None = None, *, full: bool = False
) -> None:
    """Print a run to ``console``, standard output by default.

    Args:
        record: Any run.
        console: Where to.
        full: Print results and arguments whole.
    """
    (console or Console()).print(render_trajectory(record, full=full))


def trajectory_text(record: RunRecord, width: int = 100, *, full: bool = False) -> str:
    """Return a run as text without colors."""
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None)
    console.print(render_trajectory(record, full=full))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def render_trajectory(record: RunRecord, *, full: bool = False) -> RenderableType:
    """Return head, task, steps with their rewards, and how the run ended."""
    totals = accumulate(step.reward for step in record.steps)
    parts: list[RenderableType] = [
        Text(banner([record]), style="bold yellow"),
        *_head(record),
        *_team(record),
        *map(_fault, record.faults),
        *_section("task", record.task, full),
    ]
    for step, total in zip(record.steps, totals, strict=True):
        parts += _step(step, total, full)
    return Group(*parts, Text(), *_end(record, full))


def visible(text: str) -> str:
    """Return ``text`` with control characters shown instead of obeyed by a terminal."""
    return "".join(
        character
        if character in "\n\t" or (character.isprintable() or character == "\u00a0")
        else f"\\x{ord(character):02x}"
        for character in text
    )


def _head(record: RunRecord) -> Iterable[Text]:
    key = record.key
    yield Text(f"run {record.run_id}  {group_of(key)}", style="bold")
    yield Text(
        f"{key.scenario} v{key.scenario_version} · seed {key.seed} · {key.condition} · "
        f"graded by {key.grader}"
    )
    usage = record.usage
    yield Text(
        f"{usage.steps} steps · {usage.model_calls} model calls · "
        f"{quantity(usage.input_tokens)} tokens in, {quantity(usage.output_tokens)} out · "
        f"{usage.wall_s:.2f} s · {megabytes(usage.peak_memory_bytes)} MB",
        style="dim",
    )


def _team(record: RunRecord) -> Iterable[Text]:
    """Yield a line for each agent of a team, and one for each way in which it stuck."""
    found = coordination(record)
    if found is None:
        return
    yield Text(
        f"{found.handoffs} hand-offs and {found.messages} messages, "
        f"{quantity(found.characters)} characters, {found.structured} of them JSON",
        style="dim",
    )
    for agent, calls in found.calls.items():
        yield Text(
            f"  {visible(agent)}: {calls} model calls of {found.latency_s[agent]:.3f} s, "
            f"{quantity(found.tokens[agent])} tokens",
            style="dim",
        )
    for tangle in found.tangles:
        where = "" if tangle.call is None else f" from model call {tangle.call + 1}"
        yield Text(f"  {tangle.kind}: {visible(', '.join(tangle.agents))}{where}", style="red")


def _fault(fault: FaultRecord) -> Text:
    """Return what one incident was, and what came of it."""
    which = f"{'model call' if fault.plane == 'model' else 'step'} {fault.first + 1}"
    many = f" {fault.injected} times" if fault.injected > 1 else ""
    tried = f", {fault.attempts} attempts" if fault.attempts > 1 else ""
    waited = f", the second after {fault.waited_s:.2f} s" if fault.attempts > 1 else ""
    agent = "" if fault.agent == "main" else f" of {visible(fault.agent)}"
    ended = "recovered" if fault.recovered else "did not recover"
    return Text(
        f"fault: {fault.kind}{many} at {which}{agent}{tried}{waited}; "
        f"{fault.reaction.value.replace('_', ' ')}, {ended}",
        style="yellow" if fault.recovered else "red",
    )


def _section(title: str, text: str, full: bool) -> Iterable[RenderableType]:
    if text:
        yield Text(f"\n{title}", style="bold")
        yield _indented(text, full)


def _step(step: StepRecord, total: float, full: bool) -> Iterable[RenderableType]:
    if step.said:
        yield Padding(Text(_cut(step.said, full), style="italic"), (1, 0, 0, 2))
    line = Text(f"\n{step.index + 1:>3}. ", style="dim")
    line.append(visible(step.name), style="bold cyan")
    line.append(f"  {step.duration_s:.2f} s", style="dim")
    if step.agent != "main":
        line.append(f"  by {visible(step.agent)}", style="magenta")
    if step.is_error:
        line.append("  error", style="bold red")
    if step.reward:
        line.append(f"  {step.reward:+.3f}", style="green" if step.reward > 0 else "red")
    line.append(f"  Σ {total:.3f}", style="dim")
    yield line
    yield from _findings(step.findings)
    for name, moved in step.checkpoints.items():
        yield Text(f"       {name} {moved:+.2f}", style="green" if moved > 0 else "red")
    if step.arguments:
        yield _indented(_arguments(step), full)
    yield _indented(step.content, full, style="red" if step.is_error else "dim")


def _findings(found: Iterable[FindingRecord]) -> Iterable[Text]:
    """Yield what a run's condition found, what the agent did wrong in red."""
    for one in found:
        style = "bold red" if one.kind in _HARM else "yellow"
        what = ", ".join(filter(None, (one.fault, visible(one.detail))))
        yield Text(f"       {one.kind}: {what}".rstrip(": "), style=style)


def _arguments(step: StepRecord) -> str:
    return "\n".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in step.arguments.items()
    )


def _end(record: RunRecord, full: bool) -> Iterable[RenderableType]:
    line = Text(record.outcome.value, style=_STYLES.get(record.outcome, "bold red"))
    if record.category:
        line.append(f" ({record.category.value}")
        if record.category_step is not None:
            line.append(f", step {record.category_step + 1}")
        line.append(")")
    if record.detail:
        line.append(f": {visible(record.detail)}", style="default")
    yield line
    yield from _findings(one for one in record.findings if one.step is None)
    if record.score:
        yield from _score(record.score)
    yield from _section("framework raised", record.worker.error or "", full)
    yield from _section("framework's closing text", record.worker.closing_text, full)


def _score(score: ScoreRecord) -> Iterable[Text]:
    yield Text(f"score {score.value:.3f}", style="bold")
    for name, part in score.parts.items():
        bar = "█" * round(20 * part) + "░" * (20 - round(20 * part))
        weight = score.weights.get(name, 0.0)
        yield Text(f"  {name:<22}{bar} {part * weight:.3f} of {weight:.3f}")


def _indented(text: str, full: bool, style: str = "") -> Padding:
    return Padding(Text(_cut(text, full), style=style), (0, 0, 0, 7))


def _cut(text: str, full: bool) -> str:
    if full:
        return visible(text)
    lines = text[:_SHOWN_CHARACTERS].splitlines()[:_SHOWN_LINES]
    shown = "\n".join(lines)
    rest = len(text) - len(shown)
    return visible(shown) + (f"\n… {rest} more characters" if rest > len("\n") else "")
