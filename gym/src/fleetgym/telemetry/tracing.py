"""One OpenTelemetry trace a run: run → agent → model call / tool call.

Spans follow the GenAI semantic conventions (``invoke_workflow``, ``invoke_agent``, ``chat``,
``execute_tool``). They are made of what the gateway and the episode measured, so they are the same
for every framework. They always go to a file beside the run record and, when
``OTEL_EXPORTER_OTLP_ENDPOINT`` is set, to that endpoint too.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context

from fleetgym.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.util.types import AttributeValue

    from fleetgym.contracts.record import ModelCallRecord, RunKey, RunRecord, StepRecord
    from fleetgym.records.redact import Redactor

__all__ = ["RunTrace", "Tracing"]

_ERRORS_FROM = 400


class Tracing:
    """A lane's tracer provider; one for all of its runs."""

    def __init__(self, redactor: Redactor, suite: str) -> None:
        """Start exporting when the environment names an endpoint.

        Args:
            redactor: Applied to every text attribute before anything is written or sent.
            suite: Goes into the resource.
        """
        self.redactor = redactor
        self._by_trace = _ByTrace()
        self._provider = TracerProvider(
            resource=Resource.create(
                {
                    "service.name": "fleetgym",
                    "service.version": __version__,
                    "fleetgym.suite": suite,
                }
            ),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(self._by_trace)
        if _endpoint():
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
                OTLPSpanExporter,
            )
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("fleetgym", __version__)

    def begin(self, run_id: str, key: RunKey) -> RunTrace:
        """Return the trace of one run, begun now."""
        return RunTrace(self, run_id, key)

    def start(
        self,
        name: str,
        kind: SpanKind,
        parent: Span | None,
        at_ns: int,
        attributes: Mapping[str, AttributeValue],
    ) -> Span:
        """Return a span that began at ``at_ns``, with its text redacted."""
        return self._tracer.start_span(
            name,
            context=set_span_in_context(parent) if parent else None,
            kind=kind,
            start_time=at_ns,
            attributes={
                k: self.redactor.text(v) if isinstance(v, str) else v for k, v in attributes.items()
            },
        )

    def take(self, trace_id: int) -> str:
        """Return a finished trace as OTLP JSON, one line, and forget it."""
        return _otlp_json(self._by_trace.spans.pop(trace_id, []))

    def shutdown(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


class RunTrace:
    """The spans of one run."""

    def __init__(self, tracing: Tracing, run_id: str, key: RunKey) -> None:
        """Begin the run's span."""
        self._tracing = tracing
        self._began_ns = time.time_ns()
        self._model = key.model
        self._agents: dict[str, Span] = {}
        self._root = tracing.start(
            f"invoke_workflow {key.scenario}",
            SpanKind.INTERNAL,
            None,
            self._began_ns,
            {
                "gen_ai.operation.name": "invoke_workflow",
                "gen_ai.workflow.name": key.scenario,
                "gen_ai.request.model": key.model,
                "fleetgym.run.id": run_id,
                "fleetgym.framework": key.framework,
                "fleetgym.framework.version": key.framework_version,
                "fleetgym.topology": key.topology,
                "fleetgym.scenario.version": key.scenario_version,
                "fleetgym.condition": key.condition,
                "fleetgym.seed": key.seed,
                "fleetgym.grader": key.grader,
            },
        )

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return f"{self._root.get_span_context().trace_id:032x}"

    @property
    def traceparent(self) -> str:
        """W3C trace context of the run, for the framework's own spans."""
        context = self._root.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"

    def model_call(self, call: ModelCallRecord) -> None:
        """Add a model call that has ended."""
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": self._model,
            "gen_ai.agent.name": call.agent,
            "gen_ai.usage.input_tokens": call.input_tokens,
            "gen_ai.usage.output_tokens": call.output_tokens,
            "http.response.status_code": call.status,
            "fleetgym.usage.estimated": call.estimated,
        }
        if call.finish_reason:
            attributes["gen_ai.response.finish_reasons"] = [call.finish_reason]
        if call.sdk_retry:
            attributes["http.request.resend_count"] = call.sdk_retry
        error = call.error or (str(call.status) if call.status >= _ERRORS_FROM else None)
        self._add(
            f"chat {self._model}",
            SpanKind.CLIENT,
            agent=call.agent,
            when_s=(call.started_s, call.latency_s),
            attributes=attributes,
            error=error,
        )

    def tool_call(self, step: StepRecord) -> None:
        """Add a step that has been taken."""
        self._add(
            f"execute_tool {step.name}",
            SpanKind.INTERNAL,
            agent=step.agent,
            when_s=(step.started_s, step.duration_s),
            attributes={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": step.name,
                "gen_ai.tool.type": "function",
                "gen_ai.tool.call.arguments": json.dumps(step.arguments, sort_keys=True),
                "gen_ai.agent.name": step.agent,
                "fleetgym.step": step.index,
                "fleetgym.reward": step.reward,
            },
            error="tool_error" if step.is_error else None,
        )

    def end(self, record: RunRecord) -> str:
        """End the trace and return it as OTLP JSON."""
        now = time.time_ns()
        for span in self._agents.values():
            span.end(now)
        self._root.set_attribute("fleetgym.outcome", record.outcome.value)
        if record.score is not None:
            self._root.set_attribute("fleetgym.score", record.score.value)
        if record.outcome.value != "success":
            self._root.set_attribute("error.type", record.outcome.value)
            detail = self._tracing.redactor.text(record.detail)
            self._root.set_status(Status(StatusCode.ERROR, detail))
        self._root.end(now)
        return self._tracing.take(self._root.get_span_context().trace_id)

    def _add(
        self,
        name: str,
        kind: SpanKind,
        *,
        agent: str,
        when_s: tuple[float, float],
        attributes: Mapping[str, AttributeValue],
        error: str | None,
    ) -> None:
        start_ns = self._began_ns + int(when_s[0] * 1e9)
        span = self._tracing.start(name, kind, self._agent(agent, start_ns), start_ns, attributes)
        if error:
            span.set_attribute("error.type", self._tracing.redactor.text(error))
            span.set_status(Status(StatusCode.ERROR))
        span.end(start_ns + int(when_s[1] * 1e9))

    def _agent(self, name: str, at_ns: int) -> Span:
        if name not in self._agents:
            self._agents[name] = self._tracing.start(
                f"invoke_agent {name}",
                SpanKind.INTERNAL,
                self._root,
                at_ns,
                {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name},
            )
        return self._agents[name]


class _ByTrace(SpanProcessor):
    """Keeps the ended spans of each trace until they are taken."""

    def __init__(self) -> None:
        self.spans: defaultdict[int, list[ReadableSpan]] = defaultdict(list)

    def on_end(self, span: ReadableSpan) -> None:
        context = span.context
        assert context is not None, "an ended span has a context"
        self.spans[context.trace_id].append(span)


def _endpoint() -> str | None:
    environ = os.environ
    return environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get(
        "OTEL_EXPORTER_OTLP_ENDPOINT"
    )


def _otlp_json(spans: list[ReadableSpan]) -> str:
    """Return one line of an OTLP JSON file; its ids are hexadecimal where protobuf has base64."""
    document: dict[str, Any] = MessageToDict(encode_spans(spans))
    originals = iter(spans)
    for resource in document.get("resourceSpans", []):
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                original = next(originals)
                assert original.context is not None
                span["traceId"] = f"{original.context.trace_id:032x}"
                span["spanId"] = f"{original.context.span_id:016x}"
                if original.parent is not None:
                    span["parentSpanId"] = f"{original.parent.span_id:016x}"
    return json.dumps(document, separators=(",", ":")) + "\n"
