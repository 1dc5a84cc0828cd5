"""Everything about one finished run, as it is written to disk and read back."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fleetgym.contracts.json import digest

__all__ = [
    "FailureCategory",
    "FaultRecord",
    "FindingRecord",
    "ModelCallRecord",
    "Outcome",
    "Reaction",
    "RunKey",
    "RunRecord",
    "ScoreRecord",
    "StepRecord",
    "Usage",
    "WorkerReport",
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Outcome(StrEnum):
    """How a run ended; exactly one."""

    SUCCESS = "success"
    FAILURE = "failure"
    NO_SUBMISSION = "no_submission"
    BUDGET_EXHAUSTED = "budget_exhausted"
    FRAMEWORK_ERROR = "framework_error"
    MODEL_ERROR = "model_error"
    VOID = "void"


class FailureCategory(StrEnum):
    """Why a run did not succeed."""

    TOOL_FAILURE = "tool_failure"
    HALLUCINATED_TOOL = "hallucinated_tool"
    HALLUCINATED_ARGUMENT = "hallucinated_argument"
    MODEL_FAILURE = "model_failure"
    TIMEOUT = "timeout"
    UNCLEAR_GOAL = "unclear_goal"
    MALFORMED_OUTPUT = "malformed_output"
    LOOP = "loop"
    DEADLOCK = "deadlock"
    INJECTION_OBEYED = "injection_obeyed"
    LEAK = "leak"
    STOPPED_EARLY = "stopped_early"
    WRONG_ANSWER = "wrong_answer"
    HARNESS = "harness"


class RunKey(_Frozen):
    """What a run is; its digest is the run's id."""

    framework: str
    framework_version: str
    """Of the framework's first distribution; fleetgym's own for ``reference``."""

    topology: str
    scenario: str
    scenario_version: int
    condition: str
    condition_version: str = ""
    """Empty for ``clean``, which has none."""

    model: str
    seed: int = Field(ge=0)
    grader: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    """The plugin's declared parameters, all of them, as they were in force."""

    budget: dict[str, int | float] = Field(default_factory=dict)
    """What the run might spend, field by field."""

    @property
    def run_id(self) -> str:
        """Sixteen hexadecimal digits; equal keys have equal ids."""
        said = self.model_dump(mode="json")
        if not self.condition_version:
            del said["condition_version"]
        return digest(said)[:16]


class FindingRecord(_Frozen):
    """A fact about a run under a condition; see :mod:`fleetgym.contracts.condition`."""

    kind: str
    step: int | None = None
    """Index of the step that shows it; None for what only the end tells."""

    detail: str = ""
    fault: str = ""
    """The kind of fault, of what was injected."""


class StepRecord(_Frozen):
    """One tool call."""

    index: int
    """From 0."""

    agent: str
    name: str
    arguments: dict[str, Any]
    content: str
    is_error: bool
    reward: float
    """In [-1, 1]; the rewards of a run sum to its process score."""

    checkpoints: dict[str, float] = Field(default_factory=dict)
    """How much each checkpoint moved at this step, unweighted; only those that did."""

    facts: dict[str, Any] = Field(default_factory=dict)
    said: str = ""
    findings: list[FindingRecord] = Field(default_factory=list[FindingRecord])
    """What the run's condition found at this step."""

    started_s: float
    """Since the start of the run."""

    duration_s: float


class ModelCallRecord(_Frozen):
    """One request to the model, as the gateway saw it."""

    index: int
    agent: str
    started_s: float
    latency_s: float
    first_byte_s: float | None = None
    """Until the first chunk; None when it was not streamed."""

    status: int
    """HTTP status the framework was answered with."""

    input_tokens: int
    output_tokens: int
    estimated: bool
    """True when counted by us, four characters a token, for want of the upstream's own figure."""

    finish_reason: str | None = None
    tool_calls: list[str] = Field(default_factory=list)
    """Names, in the order in which the model asked for them."""

    sdk_retry: int = 0
    """``x-stainless-retry-count``, where the client says it."""

    fault: str = ""
    """The kind of fault that befell it on purpose."""

    error: str | None = None


class Reaction(StrEnum):
    """What a framework did after a fault, as gateway and episode saw it."""

    RETRIED = "retried"
    """Asked again by itself, with nothing new for the model."""

    WENT_ON = "went_on"
    """Went on with what it had: the model was asked next with more messages than before."""

    RAISED = "raised"
    """Gave up with an error."""

    ENDED = "ended"
    """Ended without an error, as if it were done."""

    STOPPED = "stopped"
    """Was stopped from outside: a budget, or the time."""


class FaultRecord(_Frozen):
    """Faults of one kind in a row, and what came of them."""

    plane: Literal["model", "tool"]
    kind: str
    """A value of ``ModelFaultKind`` or ``ToolFaultKind``."""

    agent: str
    first: int
    """Index of the model call, or of the step, that was the first."""

    injected: int
    """How many there were."""

    attempts: int
    """Equal requests, or calls, in a row from the first on; the disturbed ones among them."""

    waited_s: float
    """From the end of the first to the next attempt; 0 when there was none."""

    reaction: Reaction
    recovered: bool
    """Whether a step that went well, or the submission, came after."""


class ScoreRecord(_Frozen):
    """A grader's judgement."""

    grader: str
    grader_version: str
    value: float = Field(ge=0, le=1)
    parts: dict[str, float]
    weights: dict[str, float]


class Usage(_Frozen):
    """Sums over a run."""

    steps: int = 0
    tool_errors: int = 0
    model_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    wall_s: float = 0.0
    """From the worker's start to its end."""

    setup_s: float = 0.0
    """Generating the instance and opening the sandbox."""

    cpu_s: float = 0.0
    """User and system time of the worker."""

    peak_memory_bytes: int = 0
    """Largest resident set of the worker, shared pages of its warm parent included."""


class WorkerReport(_Frozen):
    """What the framework's process said and how it ended; recorded, never trusted."""

    versions: dict[str, str] = Field(default_factory=dict)
    closing_text: str = ""
    error: str | None = None
    """Type and message of what the framework raised."""

    exit_code: int | None = None
    signal: int | None = None
    killed: bool = False
    """By us: budget, time, or the suite was stopped."""


class RunRecord(_Frozen):
    """One finished run."""

    format: Literal[1] = 1
    run_id: str
    key: RunKey
    suite: str
    attempt: int = 1
    """From 1; above that, earlier ones were void."""

    outcome: Outcome
    category: FailureCategory | None = None
    category_step: int | None = None
    """Index of the step that shows the category."""

    detail: str = ""
    """One sentence on how it ended, for people."""

    score: ScoreRecord | None = None
    """None for a void run."""

    findings: list[FindingRecord] = Field(default_factory=list[FindingRecord])
    """Those of the steps, of what was said after the last one, and what only the end told."""

    faults: list[FaultRecord] = Field(default_factory=list[FaultRecord])
    """What went wrong on purpose, oldest first, with what the framework did about it."""

    steps: list[StepRecord] = Field(default_factory=list[StepRecord])
    model_calls: list[ModelCallRecord] = Field(default_factory=list[ModelCallRecord])
    events: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    usage: Usage = Field(default_factory=Usage)
    worker: WorkerReport = Field(default_factory=WorkerReport)
    task: str = ""
    """What the agent was told."""

    team: list[str] = Field(default_factory=list)
    """Members with tools; empty for one agent alone."""

    trace_id: str = ""
    """32 hexadecimal digits."""

    started_at_utc: str = ""
    """ISO 8601, UTC."""

    manifest: dict[str, Any] = Field(default_factory=dict)
    """fleetgym's version, sandbox kind, scenario digest, host facts."""

    @model_validator(mode="before")
    @classmethod
    def _condition_version_in_key(cls, data: Any) -> Any:
        """Read records that say it beside their key; their ids were made without it."""
        if isinstance(data, dict) and "condition_version" in data:
            held = cast("dict[str, Any]", data)
            data = {name: value for name, value in held.items() if name != "condition_version"}
            data["key"] = {**held["key"], "condition_version": held["condition_version"]}
        return data  # pyright: ignore[reportUnknownVariableType]
