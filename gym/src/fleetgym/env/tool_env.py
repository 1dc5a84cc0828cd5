"""The one Gymnasium env that all environments share.

An environment contributes an instance for a seed (a prompt, a data directory, a ground truth),
toolsets that run in the sandbox, and a grader. What a step is, what it earns and when an episode
ends is decided here, in the same way for all.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import gymnasium
from gymnasium import spaces

from fleetgym.contracts import scoring
from fleetgym.contracts.condition import Condition, Disturbance, Finding
from fleetgym.contracts.episode import Brief
from fleetgym.contracts.errors import EpisodeOver, SpecError, ToolError
from fleetgym.contracts.sandbox import Limits, Sandbox, SandboxSpec
from fleetgym.contracts.scoring import Score, Step
from fleetgym.contracts.tools import SUBMIT, ToolCall, ToolResult, ToolSpec
from fleetgym.env.offered import LocalTool, offered_tools, submit_tool
from fleetgym.env.spaces import ToolCallSpace, UnicodeText
from fleetgym.env.teams import assembled

if TYPE_CHECKING:
    from pathlib import Path

    from fleetgym.contracts.sandbox import SandboxProvider
    from fleetgym.contracts.scenario import Scenario
    from fleetgym.contracts.scoring import Grader
    from fleetgym.env.instances import InstanceCache

__all__ = ["Instance", "ToolEnv"]

_MAX_TEXT = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One seed's version of a scenario."""

    prompt: str
    """What the agent is told."""

    truth: Any
    """What the grader's ``checkpoints`` takes."""

    data: Path
    """Directory that the sandbox may read; holds nothing that gives the answer away."""


class ToolEnv(gymnasium.Env[dict[str, Any], dict[str, Any]]):
    """A scenario as a Gymnasium env.

    The action is a tool call, ``{"name": str, "arguments": dict}``. The observation is a
    dictionary:

    * ``tool``: name of the tool that was called, empty after ``reset``;
    * ``content``: its result; after ``reset``, the task;
    * ``is_error``: 1 when the call was refused or failed;
    * ``step``: calls made so far.

    A wrong call is answered, costs a step and never raises. The reward is what the step newly
    earned, in [-1, 1]; an episode's rewards sum to ``info["score"]``, in [0, 1]. The episode
    terminates when an artifact is accepted by ``submit`` and is truncated after the budget's
    steps. The same seed and actions give the same episode, byte for byte.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi"], "render_fps": 1}  # pyright: ignore[reportIncompatibleVariableOverride]

    toolsets: ClassVar[tuple[str, ...]]
    """Modules whose tools run in the sandbox."""

    sources: ClassVar[tuple[str, ...]] = ()
    """Other packages that make instances; when their source changes, instances are made anew."""

    limits: ClassVar[Limits] = Limits()

    surfaces: ClassVar[frozenset[str]] = frozenset()
    """Where :meth:`plant` can put a text that a condition brings: ``document``, ``log``."""

    def __init__(
        self,
        *,
        scenario: Scenario,
        grader: Grader,
        sandboxes: SandboxProvider,
        instances: InstanceCache,
        condition: Condition | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Build an env; `fleetgym.environments.make` is the way to do it by names.

        Args:
            scenario: One of the environment's own.
            grader: Gives the checkpoints, and executes what an artifact claims.
            sandboxes: Opens one sandbox an episode. Stays the caller's to close.
            instances: Where generated instances are kept.
            condition: What is done to every episode; nothing by default.
            render_mode: ``"ansi"``, or None.

        Raises:
            SpecError: The condition does not fit the scenario or the environment.
        """
        self.declared = scenario
        self.condition = condition
        self.scenario = scenario if condition is None else self._adapted(scenario, condition)
        self.grader = grader
        self.render_mode = render_mode
        self._sandboxes = sandboxes
        self._instances = instances
        self._sandbox: Sandbox | None = None
        self._instance: Instance | None = None
        self._disturbance = Disturbance()
        self._checkpoints: Sequence[scoring.Checkpoint] = ()
        self._trajectory: list[Step] = []
        self._score = Score(value=0.0, parts={}, weights={})
        self._said = ""
        self._over = True
        self._local = {
            tool.spec.name: tool for tool in (*self.local_tools(), submit_tool(self.scenario))
        }
        self._calls = ToolCallSpace(self._offered())
        self.action_space = self._calls
        self.observation_space = spaces.Dict(
            {
                "tool": UnicodeText(64),
                "content": UnicodeText(_MAX_TEXT),
                "is_error": spaces.Discrete(2),
                "step": spaces.Discrete(scenario.budget.steps + 1),
            }
        )

    @abstractmethod
    def generate(self, seed: int, directory: Path) -> tuple[str, Mapping[str, Any]]:
        """Write the instance's data into ``directory``; return its prompt and truth as JSON."""

    @abstractmethod
    def decode_truth(self, truth: Mapping[str, Any]) -> Any:
        """Return what the grader takes from the JSON that :meth:`generate` returned."""

    def plant(self, directory: Path, surface: str, text: str, seed: int) -> None:
        """Put ``text`` where agents may come across it, in an instance that was just generated.

        Ground truth, prompt and what is asked for must stay as they are.

        Args:
            directory: What :meth:`generate` wrote.
            surface: One of :attr:`surfaces`.
            text: One line of plain characters.
            seed: The instance's.
        """
        raise NotImplementedError(surface)

    def mounts(self) -> Mapping[str, Path]:
        """Return directories that every episode's sandbox may read, by name."""
        return {}

    def local_tools(self) -> Sequence[LocalTool]:
        """Return the tools that execute nothing; `submit` is added here."""
        return ()

    @property
    def brief(self) -> Brief:
        """What an agent is told at the start of the current episode."""
        brief = self._disturbance.brief(
            Brief(
                system=self.scenario.system,
                task=self._current.prompt,
                tools=tuple(self.tools.values()),
                artifact_schema=self.scenario.artifact_schema,
            )
        )
        names = [tool.name for tool in brief.tools]
        return replace(brief, team=assembled(self.scenario.team, brief.system, names))

    @property
    def tools(self) -> Mapping[str, ToolSpec]:
        """The scenario's tools by name, in its order."""
        return self._calls.tools

    @property
    def trajectory(self) -> Sequence[Step]:
        """The steps of the current episode, oldest first."""
        return tuple(self._trajectory)

    @property
    def score(self) -> Score:
        """What the current episode has earned so far."""
        return self._score

    @property
    def submitted(self) -> bool:
        """Whether an artifact has been accepted."""
        return bool(self._trajectory) and _accepted(self._trajectory[-1])

    def findings(self, *, over: bool = False) -> Sequence[Finding]:
        """Return what the condition found in the current episode.

        Args:
            over: Nothing more will happen: tell what only the end tells, too.
        """
        return self._disturbance.findings(over=over)

    def hear(self, said: str) -> None:
        """Attribute what the model wrote to the next step; graders may read it."""
        self._disturbance.hear(said)
        self._said = f"{self._said}\n{said}" if self._said else said

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode.

        Args:
            seed: Names the instance, 0 or more; without one, the env's generator draws it.
            options: None are known.

        Raises:
            SpecError: An option was given.
            SandboxError: The sandbox could not be opened.
        """
        super().reset(seed=seed)
        if options:
            raise SpecError(
                f"{self.scenario.id} takes no reset options, but got {sorted(options)}."
            )
        self._close_sandbox()
        if seed is None:
            seed = int(self.np_random.integers(2**31))
        self._disturbance = (
            self.condition.disturb(self.scenario, seed) if self.condition else Disturbance()
        )
        self._sandboxes.prepare(self.sandbox_spec)  # starts while the instance is generated
        self._instance = self._instances.get(self, seed, self._disturbance.planted)
        self._sandbox = self._sandboxes.open(self.sandbox_spec, self._instance.data)
        self._checkpoints = self.grader.checkpoints(self._instance.truth)
        scoring.validate_weights(self._checkpoints)
        self._compare_checkpoints()
        self._trajectory = []
        self._score = scoring.score(self._checkpoints, ())
        self._said = ""
        self._over = False
        observation = {"tool": "", "content": self.brief.task, "is_error": 0, "step": 0}
        return observation, {"seed": seed, "score": 0.0, "parts": dict(self._score.parts)}

    def _compare_checkpoints(self) -> None:
        declared = self.scenario.checkpoints.get(self.grader.name)
        weights = {checkpoint.name: checkpoint.weight for checkpoint in self._checkpoints}
        if declared is not None and dict(declared) != weights:
            raise SpecError(
                f"{self.scenario.id} declares for {self.grader.name} the checkpoints "
                f"{dict(declared)}, but it sets {weights}. Declare these, in a new version."
            )

    @cached_property
    def sandbox_spec(self) -> SandboxSpec:
        """What a sandbox of this env offers; envs of equal specs share warm ones."""
        return SandboxSpec(toolsets=self.toolsets, mounts=self.mounts(), limits=self.limits)

    def step(
        self, action: dict[str, Any]
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Make one tool call.

        Raises:
            EpisodeOver: The episode has ended or was not begun; call ``reset``.
            SandboxError: The sandbox, not the call, failed: the episode is void.
        """
        if self._over:
            raise EpisodeOver(f"The episode of {self.scenario.id} is over. Call reset() first.")
        call = ToolCall(str(action.get("name", ""))[:64], _mapping(action.get("arguments")))
        found = len(self._disturbance.findings())
        result, facts = self._answer(call, action.get("arguments"))
        result = self._disturbance.after(call, result)
        step = Step(call=call, result=result, facts=facts, said=self._said)
        self._said = ""
        self._trajectory.append(step)
        before = self._score
        self._score = scoring.score(self._checkpoints, self._trajectory)
        terminated = _accepted(step)
        truncated = not terminated and len(self._trajectory) >= self.scenario.budget.steps
        self._over = terminated or truncated
        observation = {
            "tool": call.name,
            "content": result.content[:_MAX_TEXT],
            "is_error": int(result.is_error),
            "step": len(self._trajectory),
        }
        moved = {
            name: part - before.parts[name]
            for name, part in self._score.parts.items()
            if part != before.parts[name]
        }
        info: dict[str, Any] = {
            "score": self._score.value,
            "parts": dict(self._score.parts),
            "moved": moved,
        }
        if self.condition is not None:
            info["findings"] = [asdict(one) for one in self._disturbance.findings()[found:]]
        return observation, self._score.value - before.value, terminated, truncated, info

    def _answer(self, call: ToolCall, arguments: object) -> tuple[ToolResult, Mapping[str, Any]]:
        try:
            self._calls.validate(call.name, arguments)
            if call.name == SUBMIT:
                return self._submit(call)
            if (instead := self._disturbance.before(call)) is not None:
                return instead, {}
            if call.name in self._brought:
                return ToolResult(self._disturbance.answer(call)), {}
            if call.name in self._local:
                return ToolResult(self._local[call.name].answer(**call.arguments)), {}
            result = self._open_sandbox.call(call)
            return (_refused(result.content) if result.is_error else result), {}
        except ToolError as error:
            return _refused(str(error)), {}

    def _submit(self, call: ToolCall) -> tuple[ToolResult, Mapping[str, Any]]:
        artifact = self.grader.read(str(call.arguments["answer"]))
        facts = self.grader.examine(artifact, self._open_sandbox.call)
        return ToolResult(
            "Submitted. The episode is over; no further tool call is possible."
        ), facts

    def _offered(self) -> Sequence[ToolSpec]:
        return offered_tools(self.scenario, self.all_tools(), self._brought.values())

    @property
    def _brought(self) -> Mapping[str, ToolSpec]:
        """What the condition offers."""
        return {tool.name: tool for tool in self.condition.tools} if self.condition else {}

    def _adapted(self, scenario: Scenario, condition: Condition) -> Scenario:
        lacking = condition.surfaces - self.surfaces
        if lacking:
            raise SpecError(
                f"Condition {condition.name!r} plants a text on the surface {min(lacking)!r}, and "
                f"{scenario.environment} has none. Leave the condition or the scenario out."
            )
        return condition.adapt(scenario)

    def all_tools(self) -> Mapping[str, ToolSpec]:
        """Return all tools that scenarios may name."""
        local = [tool.spec for tool in self._local.values()]
        return {spec.name: spec for spec in (*self.sandbox_tools(), *local)}

    @classmethod
    def sandbox_tools(cls) -> Sequence[ToolSpec]:
        """Return the tools of the toolsets that may be offered to agents.

        Those that name no scopes have what the toolset says in ``SCOPES``.
        """
        import importlib  # noqa: PLC0415 - only catalogues need the modules by name

        modules = [importlib.import_module(name) for name in cls.toolsets]
        return [
            replace(spec, scopes=spec.scopes or getattr(module, "SCOPES", ()))
            for module in modules
            for spec in module.SPECS
            if spec.name not in module.HIDDEN
        ]

    def render(self) -> str | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the last step as text, in mode ``ansi``."""
        if self.render_mode != "ansi":
            return None
        if not self._trajectory:
            return self.brief.task
        last = self._trajectory[-1]
        return (
            f"[{len(self._trajectory)}] {last.call.name}({dict(last.call.arguments)})\n"
            f"{last.result.content}\nscore {self._score.value:.3f}"
        )

    def close(self) -> None:
        """Give the sandbox back."""
        self._close_sandbox()

    def _close_sandbox(self) -> None:
        self._over = True
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None

    @property
    def _current(self) -> Instance:
        if self._instance is None:
            raise EpisodeOver(f"No episode of {self.scenario.id} has begun. Call reset() first.")
        return self._instance

    @property
    def _open_sandbox(self) -> Sandbox:
        assert self._sandbox is not None, "an episode that is not over has a sandbox"
        return self._sandbox


def _refused(why: str) -> ToolResult:
    # Chat messages have no flag for errors: models, and agents over HTTP, know them by this word.
    return ToolResult(f"Error: {why}", is_error=True)


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _accepted(step: Step) -> bool:
    return step.call.name == SUBMIT and not step.result.is_error
